"""Host the components for other languages: Pulumi's plugin mode runs this module where the package's namespace shows no component yet."""

from pulumi.provider.experimental import component_provider_host

import elastic_iac

if __name__ == "__main__":
    component_provider_host(name="elastic-iac", components=[getattr(elastic_iac, name) for name in elastic_iac.__all__])
