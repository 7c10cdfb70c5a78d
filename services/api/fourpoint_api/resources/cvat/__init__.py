"""CVAT's protocol of serverless functions."""
