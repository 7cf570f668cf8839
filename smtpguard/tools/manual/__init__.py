"""The manual pages, made of the commands and of the models that read the settings."""
