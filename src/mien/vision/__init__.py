"""From a camera's frames to what of a face can be kept without keeping the face."""
