"""Host the components for other languages: Pulumi's plugin mode runs this module if the package's namespace has no component yet."""

from elastic_iac.plugin.provider import host

if __name__ == "__main__":
    host()
