"""What an engine has made of an image, kept so that it is made once: for every person, worker and restart."""
