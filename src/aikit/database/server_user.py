"""As whom the server's programs run: PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from aikit.database.cluster import Cluster
from aikit.errors import EmbeddedFailed

IN_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


@dataclass(frozen=True, slots=True)
class ServerUser:
    """A user who may run the server, as the file system sees it; `prefix` makes a command run as that user."""

    prefix: tuple[str, ...]
    uid: int
    gid: int


def server_user(cluster: Cluster) -> ServerUser:
    """As whom to run this cluster's programs. Root runs them in a user namespace, or else as nobody.

    Raises EmbeddedFailed when root can't become anyone that may read the files.
    """
    if os.geteuid() != 0:
        return ServerUser((), os.geteuid(), os.getegid())
    owner = cluster.data.stat().st_uid if cluster.data.exists() else None
    if not owner and _works(IN_NAMESPACE):
        return ServerUser(IN_NAMESPACE, 0, 0)
    try:
        user = pwd.getpwnam("nobody") if owner is None else pwd.getpwuid(owner)
    except KeyError:
        raise _no_other_user(cluster) from None
    prefix = _setpriv(user.pw_uid, user.pw_gid)
    if user.pw_uid == 0 or not _works(prefix):
        raise _no_other_user(cluster)
    return ServerUser(prefix, user.pw_uid, user.pw_gid)


def require_own(cluster: Cluster) -> None:
    """Raises EmbeddedFailed if the root is another user's: our files there would be in its way, root's above all."""
    owner, me = cluster.root.stat().st_uid, os.geteuid()
    if owner != me:
        raise EmbeddedFailed(
            f"{cluster.root} belongs to user {owner}, and this process runs as user {me}.",
            facts={"path": str(cluster.root), "owner": owner, "user": me},
            remedy="Run it as that user, or choose another data directory.",
        )


def _works(prefix: Sequence[str]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _setpriv(uid: int, gid: int) -> tuple[str, ...]:
    """Another user, who keeps root's right to enter directories: the data may lie below a home closed to others.

    This gives away nothing: only root gets through to the socket, and in a namespace the server reads root's files too.
    """
    rights = [f"--{kind}=-all,+dac_override" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *rights)


def _no_other_user(cluster: Cluster) -> EmbeddedFailed:
    return EmbeddedFailed(
        f"PostgreSQL does not run as root, and this process can't start it as another user for {cluster.root}: "
        "neither `unshare --user` nor `setpriv` works here for the owner of its files.",
        facts={"path": str(cluster.root)},
        remedy="Run aikit as a normal user, or set DATABASE_URL to a PostgreSQL of your own. If the data was made "
        "where user namespaces are allowed, `chown -R nobody` its data directory.",
    )
