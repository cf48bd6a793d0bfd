"""The users that components run as: whether they are kept from Docker."""

import grp
import os
import pwd

DOCKER_GROUP = "docker"


def is_user(name: str) -> bool:
    """Whether the machine has the user."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def way_to_docker(name: str) -> str:
    """How the user may reach Docker, in words; empty where it may not, or is not there."""
    if not is_user(name):
        return ""
    account = pwd.getpwnam(name)
    if account.pw_uid == 0:
        return "it is root"
    return f"it is in the group {DOCKER_GROUP}" if _is_in_docker_group(account) else ""


def remedy_for(name: str, setting: str = "api_user") -> str:
    """What takes the way to Docker from the user that the setting names."""
    return f"Take it out of the group (gpasswd -d {name} {DOCKER_GROUP}), or set {setting} to another user."


def _is_in_docker_group(account: pwd.struct_passwd) -> bool:
    try:
        group = grp.getgrnam(DOCKER_GROUP)
    except KeyError:
        return False
    return group.gr_gid in os.getgrouplist(account.pw_name, account.pw_gid)
