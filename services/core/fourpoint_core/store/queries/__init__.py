"""Every statement, one module per noun; callers hold the transaction."""
