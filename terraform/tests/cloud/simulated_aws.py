#!/usr/bin/env python3
"""AWS on this machine: moto, and before it those calls of EKS and of CloudWatch Logs that moto does not know.

    simulated_aws.py PORT

Add-ons, access entries and pod identity associations are kept here. Of clusters and node groups moto keeps the rest and
drops some settings; those are remembered and put back into its answers, because Terraform reads what it wrote and plans to
write it again when it is gone. Deletion protection is enforced, for a destroy that it should stop has to be stopped.
"""
import io
import json
import re
import sys
import time
import uuid
from urllib.parse import parse_qs, unquote

from moto.ec2 import ec2_backends
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.rds.models import DBInstance, DBParameterGroup
from moto.s3.models import FakeDeleteMarker
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

ACCOUNT = "123456789012"
REGION = "ap-south-1"


def stand_for_tls():
    """Requests come over plain HTTP here and stand for those over TLS, which buckets insist on; moto asks no such condition."""
    judged = IAMPolicyStatement.is_action_permitted

    def judge(self, *arguments, **more):
        condition = self._statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        return PermissionResult.NEUTRAL if condition == "false" else judged(self, *arguments, **more)

    IAMPolicyStatement.is_action_permitted = judge


def keep_tags_apart():
    """Tags of a launch template are no tags that it gives; moto puts them into the template."""
    create = LaunchTemplate.create_version

    def create_version(self, data, description):
        specifications = data.get("TagSpecifications", [])
        given = [s for s in specifications if s.get("ResourceType") != "launch-template"]
        return create(self, {**data, "TagSpecifications": given}, description)

    LaunchTemplate.create_version = create_version


def tell_all():
    """What moto knows and leaves out of its answers: who set a parameter, and what a rule for another group is for."""
    update = DBParameterGroup.update_parameters

    def update_parameters(self, parameters):
        update(self, [{**parameter, "Source": "user"} for parameter in parameters])

    DBParameterGroup.update_parameters = update_parameters
    make = DBInstance.__init__

    def __init__(self, *arguments, **more):
        make(self, *arguments, **more)
        self.performance_insights_enabled = bool(more.get("enable_performance_insights"))

    DBInstance.__init__ = __init__
    SecurityGroupRule.description = property(lambda rule: rule.ip_range.get("Description") or rule.source_group.get("Description"))


def let_go_of_markers():
    """Moto fails when the last version of an object that was deleted is a marker, as each lock file of Terraform's is."""
    FakeDeleteMarker.dispose = lambda marker, garbage=False: None


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


def missing(what):
    return Refused(404, "ResourceNotFoundException", f"there is no {what}")


class Collection:
    """Objects of one kind within clusters: made, read, listed, deleted."""

    def __init__(self, single, plural, key, make):
        self.single, self.plural, self.key, self.make, self.objects = single, plural, key, make, {}

    def create(self, cluster, body):
        made = {"clusterName": cluster, "createdAt": time.time(), "modifiedAt": time.time(), "tags": {}, **self.make(cluster, body)}
        where = (cluster, made[self.key])
        if where in self.objects:
            raise Refused(409, "ResourceInUseException", f"{where[1]} exists already")
        self.objects[where] = made
        return {self.single: made}

    def find(self, cluster, name):
        try:
            return self.objects[cluster, name]
        except KeyError:
            raise missing(f"{self.single} {name} in {cluster}") from None

    def list(self, cluster):
        names = [name for (of, name) in self.objects if of == cluster]
        # Only associations are listed whole.
        return {self.plural: names if self.key != "associationId" else [self.objects[cluster, name] for name in names]}

    def delete(self, cluster, name):
        found = self.find(cluster, name)
        del self.objects[cluster, name]
        return {self.single: found}


def arn(kind, cluster, *rest):
    return f"arn:aws:eks:{REGION}:{ACCOUNT}:{kind}/{'/'.join((cluster, *rest))}"


def addon(cluster, body):
    name = body["addonName"]
    associations = [arn("podidentityassociation", cluster, remember_association(cluster, a)) for a in body.get("podIdentityAssociations", [])]
    kept = {k: body[k] for k in ("addonVersion", "configurationValues", "serviceAccountRoleArn", "tags") if k in body}
    return {"addonName": name, "status": "ACTIVE", "health": {"issues": []}, "addonArn": arn("addon", cluster, name, str(uuid.uuid4())),
            "podIdentityAssociations": associations, **kept}


def remember_association(cluster, body):
    made = ASSOCIATIONS.create(cluster, {"namespace": "kube-system", **body})
    return made["association"]["associationId"]


def entry(cluster, body):
    principal = body["principalArn"]
    return {"principalArn": principal, "username": body.get("username", principal), "type": body.get("type", "STANDARD"),
            "kubernetesGroups": body.get("kubernetesGroups", []), "tags": body.get("tags", {}),
            "accessEntryArn": arn("access-entry", cluster, "role", ACCOUNT, principal.rsplit("/", 1)[-1], str(uuid.uuid4()))}


def association(cluster, body):
    for (of, _), other in ASSOCIATIONS.objects.items():
        if (of, other["namespace"], other["serviceAccount"]) == (cluster, body["namespace"], body["serviceAccount"]):
            raise Refused(409, "ResourceInUseException", "that service account has an association already")
    name = "a-" + uuid.uuid4().hex[:17]
    return {"associationId": name, "associationArn": arn("podidentityassociation", cluster, name),
            "disableSessionTags": body.get("disableSessionTags", False),
            **{k: body[k] for k in ("namespace", "serviceAccount", "roleArn", "tags") if k in body}}


ADDONS = Collection("addon", "addons", "addonName", addon)
ENTRIES = Collection("accessEntry", "accessEntries", "principalArn", entry)
ASSOCIATIONS = Collection("association", "associations", "associationId", association)
POLICIES = {}
REMEMBERED = {}
PROTECTED_GROUPS = {}


def policies(method, cluster, principal, body, policy):
    ENTRIES.find(cluster, principal)
    held = POLICIES.setdefault((cluster, principal), {})
    if method == "POST":
        held[body["policyArn"]] = {**body, "associatedAt": time.time(), "modifiedAt": time.time()}
        return {"clusterName": cluster, "principalArn": principal, "associatedAccessPolicy": held[body["policyArn"]]}
    if method == "DELETE":
        held.pop(policy, None)
        return {}
    return {"clusterName": cluster, "principalArn": principal, "associatedAccessPolicies": list(held.values())}


def answer(method, path, query, body):
    """What is answered here; None is left to moto."""
    if match := re.fullmatch(r"/clusters/([^/]+)/(addons|access-entries|pod-identity-associations)(?:/([^/]+))?(?:/access-policies(?:/(.+))?)?", path):
        cluster, kind, name, policy = (part and unquote(part) for part in match.groups())
        collection = {"addons": ADDONS, "access-entries": ENTRIES, "pod-identity-associations": ASSOCIATIONS}[kind]
        if "/access-policies" in path:
            return policies(method, cluster, name, body, policy)
        if not name:
            return collection.create(cluster, body) if method == "POST" else collection.list(cluster)
        if method == "DELETE":
            for owned in collection.find(cluster, name).get("podIdentityAssociations", []):
                ASSOCIATIONS.objects.pop((cluster, owned.rsplit("/", 1)[-1]), None)
            return collection.delete(cluster, name)
        return {collection.single: collection.find(cluster, name)}
    if match := re.fullmatch(r"/clusters/([^/]+)(/node-groups/[^/]+)?/update-config", path):
        overlay(REMEMBERED.setdefault(path.removesuffix("/update-config"), {}), body)
        return {"update": {"id": str(uuid.uuid4()), "status": "Successful", "type": "ConfigUpdate", "params": [], "errors": []}}
    if re.fullmatch(r"/clusters/[^/]+/updates/[^/]+", path):
        return {"update": {"id": path.rsplit("/", 1)[-1], "status": "Successful", "params": [], "errors": []}}
    if method == "DELETE" and REMEMBERED.get(path, {}).get("deletionProtection"):
        raise Refused(400, "InvalidRequestException", "the cluster has deletion protection: turn it off first")
    return None


def overlay(onto, more):
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(onto.get(key), dict):
            overlay(onto[key], value)
        else:
            onto[key] = value


# Moto answers with defaults of its own to these, or not at all. What it was not told of the last two, it makes up.
DROPPED = {
    "cluster": ("accessConfig", "computeConfig", "deletionProtection", "kubernetesNetworkConfig", "resourcesVpcConfig", "storageConfig", "upgradePolicy"),
    "nodegroup": ("nodeRepairConfig", "scalingConfig", "updateConfig"),
}
MADE_UP = ("remoteAccess", "updateConfig")


def put_back(method, path, body, answered):
    """Completes moto's answer about a cluster or a node group by what it was told and forgot."""
    kind = next((kind for kind in DROPPED if kind in answered), None)
    if not kind:
        return
    if method == "POST":
        path = f"{path.rstrip('/')}/{body.get('nodegroupName' if kind == 'nodegroup' else 'name')}"
        REMEMBERED[path] = {key: body[key] for key in DROPPED[kind] if key in body}
        if kind == "cluster":
            REMEMBERED[path].setdefault("resourcesVpcConfig", {}).update(security_group(body))
    if method == "DELETE":
        gone = REMEMBERED.pop(path, {})
        if group := gone.get("resourcesVpcConfig", {}).get("clusterSecurityGroupId"):
            ec2_backends[ACCOUNT][REGION].delete_security_group(group_id=group)
        return
    if kind == "nodegroup":
        for key in MADE_UP:
            answered[kind].pop(key, None)
    overlay(answered[kind], {key: value for key, value in REMEMBERED.get(path, {}).items() if key in DROPPED[kind]})


def security_group(body):
    """EKS makes a group for control plane, nodes and pods, which databases let in; moto makes none."""
    ec2 = ec2_backends[ACCOUNT][REGION]
    vpc = ec2.get_subnet(body["resourcesVpcConfig"]["subnetIds"][0]).vpc_id
    group = ec2.create_security_group(f"eks-cluster-sg-{body['name']}", "made by EKS", vpc)
    return {"clusterSecurityGroupId": group.id, "vpcId": vpc}


class Server:
    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, request, start):
        target = request.get("HTTP_X_AMZ_TARGET", "")
        if request["REQUEST_METHOD"] == "PUT" and "/s3/aws4_request" in request.get("HTTP_AUTHORIZATION", ""):
            raw = request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
            request["wsgi.input"] = io.BytesIO(raw)
            # Moto would make the bucket and lose its tags. Told so, Terraform sets them in a second request.
            if b"<CreateBucketConfiguration" in raw and b"<Tag>" in raw:
                start("400 Bad Request", [("Content-Type", "application/xml")])
                return [b"<Error><Code>UnsupportedArgument</Code><Message>no tags here</Message></Error>"]
        if "/eks/aws4_request" not in request.get("HTTP_AUTHORIZATION", "") and not target.startswith("Logs_"):
            return self.moto(request, start)
        raw = request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
        if target.startswith("Logs_"):
            return self.logs(request, start, target.split(".")[1], raw)
        body = json.loads(raw) if raw else {}
        # A name within a path may hold an encoded '/', which the decoded path no longer tells from others.
        path = request.get("RAW_URI", request["PATH_INFO"]).split("?")[0]
        method = request["REQUEST_METHOD"]
        try:
            said = answer(method, path, parse_qs(request.get("QUERY_STRING", "")), body)
        except Refused as refused:
            return reply(start, refused.status, {"__type": refused.code, "message": str(refused)}, refused.code)
        if said is not None:
            return reply(start, 200, said)
        return self.ask_moto(request, start, raw, lambda answered: put_back(method, path, body, answered))

    def ask_moto(self, request, start, raw, complete):
        request["wsgi.input"] = io.BytesIO(raw)
        head = {}
        text = b"".join(self.moto(request, lambda status, headers, *_: head.update(status=status, headers=headers)))
        if head["status"].startswith("200") and text:
            answered = json.loads(text)
            complete(answered)
            return reply(start, 200, answered)
        start(head["status"], head["headers"])
        return [text]

    def logs(self, request, start, call, raw):
        """Deletion protection of log groups."""
        body = json.loads(raw) if raw else {}
        # Groups are named by name or by ARN.
        name = re.sub(r"^arn:aws:logs:[^:]*:[^:]*:log-group:|:\*$", "", body.get("logGroupIdentifier") or body.get("logGroupName") or "")
        if call == "PutLogGroupDeletionProtection":
            PROTECTED_GROUPS[name] = body["deletionProtectionEnabled"]
            return reply(start, 200, {})
        if call == "CreateLogGroup":
            PROTECTED_GROUPS[name] = body.pop("deletionProtectionEnabled", False)
        if call == "DeleteLogGroup" and PROTECTED_GROUPS.get(name):
            return reply(start, 400, {"__type": "ValidationException", "message": "the log group has deletion protection"}, "ValidationException")

        def complete(answered):
            for group in answered.get("logGroups", []):
                group["deletionProtectionEnabled"] = PROTECTED_GROUPS.get(group["logGroupName"], False)

        return self.ask_moto(request, start, raw, complete)


def reply(start, status, value, error=None):
    text = json.dumps(value).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
    start(f"{status} {'OK' if status == 200 else error}", headers + ([("x-amzn-errortype", error)] if error else []))
    return [text]


if __name__ == "__main__":
    stand_for_tls()
    keep_tags_apart()
    tell_all()
    let_go_of_markers()
    run_simple("127.0.0.1", int(sys.argv[1]), Server(), threaded=True)
