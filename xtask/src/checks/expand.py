"""template.yaml as CloudFormation gets it: SAM's resources replaced by those that SAM makes of them, as JSON on stdout."""

import json
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoPolicies:
    """SAM asks for AWS's policies by their names only where a function names one."""

    def load(self):
        return {}


with open(sys.argv[1]) as file:
    template = yaml_parse(file.read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # Where `sam deploy` puts what it has built.
        resource["Properties"]["CodeUri"] = "s3://built/function.zip"
json.dump(transform(template, {}, NoPolicies()), sys.stdout)
