#!/usr/bin/env python3
"""Makes a script of the commands in docs/terraform.md: walk.py DOCUMENT > SCRIPT.

Every command of the two parts that lead to a Ready drive and back is in it as it stands in the document. After some of them
comes what stands for AWS here; each of these says so in words that the document has to have, too. A command that nobody
runs is named here with its reason, or this fails.
"""
import pathlib
import re
import shlex
import sys

PARTS = ("From nothing to a Ready drive", "And back to nothing")

# After a command that begins like this: what it is said to be in the document, and what is done.
STANDS = {
    "aws eks update-kubeconfig": (
        "a control plane of its own on the same machine, with simulated nodes",
        'grep -q "name: arn:aws:eks:ap-south-1:.*:cluster/campus-small" "$KUBECONFIG" && export KUBECONFIG=$CONTROL_PLANE && kubectl get nodes',
    ),
    "terraform output -raw platform_yaml": (
        "it reads platform.yaml with the address of the simulated AWS in it",
        r'''sed -i "s|^\"objectStore\":|&\n  \"endpoint\": \"$AWS_ENDPOINT_URL\"|" platform.yaml && grep -q "$AWS_ENDPOINT_URL" platform.yaml''',
    ),
    "helm install ras-operator ": (
        "a process with the arguments of their Deployment and the token of their service account",
        "start_operator",
    ),
    "kubectl create namespace spo": (
        "a Service of type LoadBalancer",
        "kubectl create namespace traefik && kubectl -n traefik create service loadbalancer traefik --tcp=443",
    ),
}
# Ends with another code than 0, and says this.
ENDS = {"kubectl ras drain": (1, "NOT safe to destroy"), "kubectl ras drain --yes": (0, "safe to destroy")}
SAYS = {"aws s3api list-buckets": "ras-spo-placements-2026-resumes-"}

# Commands within sentences, by their beginning.
NOT_RUN = {
    "aws eks describe-addon-versions": "only AWS knows which versions it offers",
    "aws eks list-pod-identity-associations": "it is for associations that nobody here has made",
    "terraform state rm": "it is one of two ways, for an example with backups",
    "kubectl get pdb -A": "it is for a node group that hangs, and nodes are simulated here",
    "terraform output operator": "it prints what the commands below it already have in them",
}
OTHERWISE = {"terraform apply", "terraform destroy", "kubectl ras", "kubectl ras drain"}


def commands(block):
    """Lines of a block as commands: here-documents and lines that go on belong together."""
    lines, found = block.splitlines(), []
    while lines:
        command = [lines.pop(0)]
        while command[-1].endswith("\\"):
            command.append(lines.pop(0))
        if end := re.search(r"<<'?(\w+)'?", command[0]):
            while command[-1] != end[1]:
                command.append(lines.pop(0))
        found.append("\n".join(command))
    return found


def main():
    text = pathlib.Path(sys.argv[1]).read_text()
    parts = {part.split("\n", 1)[0]: part for part in re.split(r"^## ", text, flags=re.M)}
    blocks = {title: re.findall(r"^```sh\n(.*?)^```", part, re.M | re.S) for title, part in parts.items()}
    if stray := [title for title, found in blocks.items() if found and title not in PARTS]:
        sys.exit(f"{sys.argv[1]}: commands in {stray}, which nobody runs")
    plain = " ".join(text.split())
    script, used, not_run = [], set(), []
    for title in PARTS:
        for command in (command for block in blocks[title] for command in commands(block)):
            said = next((word for begin, word in SAYS.items() if command.startswith(begin)), "")
            code, says = ENDS.get(command, (0, said))
            # Braces and not parentheses: folders and variables go on to the next command.
            script.append(f"announce {shlex.quote(command)}\n{{\n{command}\n}} >\"$OUT\" 2>&1\nended $? {code} {shlex.quote(says)}")
            for begin, (words, then) in STANDS.items():
                if command.startswith(begin):
                    used.add(begin)
                    if words not in plain:
                        sys.exit(f"{sys.argv[1]} does not say: {words}")
                    script.append(f"stands {shlex.quote(words)}\n{{\n{then}\n}} >\"$OUT\" 2>&1\nended $? 0 ''")
        for inline in re.findall(r"`((?:aws|helm|kubectl|terraform) [^`]+)`", parts[title]):
            if inline in OTHERWISE or any(inline == command for block in blocks[title] for command in commands(block)):
                continue
            reason = next((reason for begin, reason in NOT_RUN.items() if inline.startswith(begin)), None)
            if not reason:
                sys.exit(f"{sys.argv[1]}: `{inline}` is not run, and nobody says why: see NOT_RUN in {sys.argv[0]}")
            not_run.append(f"echo {shlex.quote(f'not run: {inline}: {reason}')}")
    if lost := set(STANDS) - used:
        sys.exit(f"{sys.argv[1]} has no command any more that begins with {lost}")
    print("\n".join(script + not_run))


main()
