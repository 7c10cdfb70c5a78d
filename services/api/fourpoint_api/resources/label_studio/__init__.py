"""Label Studio's protocol of ML backends."""
