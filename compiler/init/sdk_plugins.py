# SPDX-License-Identifier: MIT
"""Runs the runtime SDK's custom_plugins.py unchanged: one interpreter through all stages. A line of JSON on stdin a stage, the
changes as a merge patch on descriptor 3."""
import json
import os
import sys
import traceback

answers = os.fdopen(3, "w")
sys.path[:0] = ["/usr/lib/aleph", "/root"]


def argument(types, stage, given):
    """What the SDK passes to a plugin of this stage; lists and dicts may be changed in place."""
    what = stage.split("_", 1)[1]
    volumes = [types.Volume(**volume) for volume in given["volumes"]]
    if what == "hostname":
        return given["hostname"]
    if what == "variables":
        return given["variables"]
    if what == "volumes":
        return volumes
    if what == "network":
        return types.NetworkPluginParameters(ip=given["ip"], route=given["route"], dns_servers=given["dns_servers"])
    return types.ConfigurationPayload(
        code=b"", encoding=types.Encoding(given["encoding"]), entrypoint=given["entrypoint"], input_data=b"",
        interface=types.Interface(given["interface"]), vm_hash=given["vm_hash"], ip=given["ip"], route=given["route"],
        dns_servers=given["dns_servers"], volumes=volumes, variables=given["variables"])


def changes(stage, before, value):
    what = stage.split("_", 1)[1]
    after = {}
    if what == "variables":
        after["variables"] = value
    elif what == "volumes":
        after["volumes"] = [vars(volume) for volume in value]
    elif what == "network":
        after["dns_servers"] = value.dns_servers or []
    elif what == "system":
        after = {"variables": value.variables or {}, "volumes": [vars(volume) for volume in value.volumes], "dns_servers": value.dns_servers}
    if "variables" in after:
        gone = {name: None for name in before["variables"] if name not in after["variables"]}
        after["variables"] = {**after["variables"], **gone}
    return after


def run(plugins, types, line):
    given = json.loads(line)
    stage = given["stage"]
    plugin = getattr(plugins, stage, None)
    if stage.startswith("after_") or stage == "before_volumes":
        os.environ.update(given["variables"])
    if plugin is None:
        return {}
    before = json.loads(line)
    value = argument(types, stage, given)
    plugin(value)
    return changes(stage, before, value)


def main():
    plugins = types = None
    for line in sys.stdin:
        try:
            if plugins is None:
                import runtime_types as types
                from custom_plugins import custom_plugins as plugins
            answer = {"patch": run(plugins, types, line)}
        except BaseException as error:
            answer = {"error": repr(error), "traceback": traceback.format_exc()}
        sys.stdout.flush()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
