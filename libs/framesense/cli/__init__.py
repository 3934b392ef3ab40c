"""``framesense``: what is done with folders of photos before they are sent to a service."""
