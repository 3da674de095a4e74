"""Line scans from the surface into the bulk."""
