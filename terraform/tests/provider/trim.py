#!/usr/bin/env python3
"""Copies the provider's source without its other services: trim.py SOURCE COPY.

The provider is one program of 260 services, of which the modules here use ten; all of them take an hour of compiling and
more memory than most machines have. Two generated files list every service. In the copy they list those below alone, and
not a line of anything else is changed.
"""
import pathlib
import re
import shutil
import sys

# Folders of internal/service: what the modules use, and what these call one another for.
SERVICES = {"cloudformation", "ec2", "eks", "elbv2", "iam", "kms", "logs", "meta", "organizations", "rds", "s3", "s3control", "sts"}
# Packages of the AWS SDK whose clients those ask for.
CLIENTS = {"account", "cloudformation", "cloudwatchlogs", "ec2", "eks", "elasticloadbalancingv2", "iam", "kms", "organizations", "rds", "s3", "s3control", "sts"}


def keep_imports(text, prefix, wanted):
    """Drops the imports below prefix that are not wanted, and says what those are called in the file."""
    dropped = set()

    def judge(line):
        name = line["path"].split("/")[0]
        if name in wanted:
            return line[0]
        dropped.add(line["alias"] or name)
        return ""

    pattern = rf'^\t(?:(?P<alias>\w+) )?"{re.escape(prefix)}(?P<path>[^"]+)"\n'
    return re.sub(pattern, judge, text, flags=re.M), dropped


def unneeded(folder, names):
    """Tests, documents, and the code of services that nothing imports any more (what is embedded of them stays)."""
    folder = pathlib.Path(folder)
    other = folder.parts[-3:-1] == ("internal", "service") and folder.name not in SERVICES
    return {n for n in names if n.endswith(("_test.go", ".md")) or n in ("website", "docs", "examples", "testdata", "test-fixtures") or other and n != "smarterr.hcl"}


def main():
    source, copy = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(copy, ignore_errors=True)
    # Files in Go's module cache are read-only, and so would copies be.
    shutil.copytree(source, copy, ignore=unneeded, copy_function=shutil.copyfile)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)

    packages = copy / "internal/provider/sdkv2/service_packages_gen.go"
    text, dropped = keep_imports(packages.read_text(), "github.com/hashicorp/terraform-provider-aws/internal/service/", SERVICES)
    packages.write_text(re.sub(r"^\t\t(\w+)\.ServicePackage\(ctx\),\n", lambda line: "" if line[1] in dropped else line[0], text, flags=re.M))

    clients = copy / "internal/conns/awsclient_gen.go"
    text, dropped = keep_imports(clients.read_text(), "github.com/aws/aws-sdk-go-v2/service/", CLIENTS)
    clients.write_text(re.sub(r"^func \(c \*AWSClient\) \w+\([^\n]*\*(\w+)\.Client \{\n.*?^\}\n", lambda made: "" if made[1] in dropped else made[0], text, flags=re.M | re.S))


main()
