"""Files of Raman and infrared spectrometers."""
