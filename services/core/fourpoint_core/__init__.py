"""What the API and the worker must agree on: rules, tables, messages. No Flask, no torch, no cv2."""
