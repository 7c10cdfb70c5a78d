"""The outlines on an image: a document with revisions, and each person's draft."""
