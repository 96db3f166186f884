"""The deployable program: typed settings, components, exports; one configuration file for each environment."""
