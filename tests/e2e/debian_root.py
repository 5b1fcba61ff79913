"""A small Debian of its own, for tests of what a fresh machine does.

`build_base` makes a root directory with little more than `apt` once and keeps it in a cache;
`DebianRoot` is a throw-away copy of it in which commands run. Mounts live in a mount namespace
of each command and processes in a process namespace, so nothing is left behind however the
command ends.

The copy reaches the network the way this machine does: package sources, proxies, certificates
and pip's index are read from the configuration of this machine and carried over.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "git", "make", "python3")
USER = "tester"
REQUIRED_PROGRAMS = ("mmdebstrap", "unshare", "chroot", "ip", "git")

CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
GIT_PLACES = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")

_ENTER = """\
set -e
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
ip link set lo up
root=$1; account=$2; shift 2
exec chroot --userspec="$account" "$root" /usr/bin/env -i "$@"
"""
"""Runs in namespaces of its own: arguments are root, account, then what `env` takes."""


def cache_folder() -> Path:
    """Return where the base is kept between runs: outside the repository."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hark-test"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def build_base() -> Path:
    """Return a root directory of a minimal Debian; it is built once and never written to.

    Raises:
        subprocess.CalledProcessError: `mmdebstrap` failed; its output says why.
    """
    sources = _apt_sources()
    recipe = "\n".join((SUITE, *PACKAGES, *sources))
    base = cache_folder() / f"{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    if base.is_dir():
        return base
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        root = Path(folder, "root")
        command = ["mmdebstrap", "--quiet", "--variant=minbase"]
        command += [f"--include={','.join(PACKAGES)}"]
        command += [f"--aptopt={option}" for option in _apt_options()]
        subprocess.run([*command, SUITE, root, *sources], check=True)
        subprocess.run(["chroot", root, "useradd", "--create-home", USER], check=True)
        root.rename(base)
    return base


@dataclass(frozen=True)
class DebianRoot:
    """A root directory in which commands run as on a machine of their own."""

    root: Path

    @classmethod
    def copy_of(cls, base: Path, place: Path) -> "DebianRoot":
        """Copy `base` to the new folder `place` and give it this machine's way out."""
        subprocess.run(["cp", "-a", "--reflink=auto", base, place], check=True)
        for name in ("resolv.conf", "hosts"):
            shutil.copy(Path("/etc", name), place / "etc" / name)
        settings = _pip_settings()
        certificates = Path(settings.pop("cert", Path("/") / CERTIFICATES))
        if certificates.is_file():
            shutil.copy(certificates, place / CERTIFICATES)
        lines = ["[global]", f"cert = /{CERTIFICATES}"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        (place / "etc/pip.conf").write_text("\n".join(lines) + "\n")
        return cls(place)

    def run(
        self, command: str, *, user: str = "root", network: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the user's home folder and return what came of it.

        Args:
            command: one line for `sh`.
            user: `root` or `USER`.
            network: False leaves only the loopback interface.
        """
        home = "/root" if user == "root" else f"/home/{user}"
        variables = {
            "HOME": home,
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "USER": user,
            **{name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ},
        }
        return subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *([] if network else ["--net"]),
                *("sh", "-c", _ENTER, "sh", str(self.root), user),
                *(f"{name}={value}" for name, value in variables.items()),
                *("sh", "-c", f"cd {home} && {command}"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def clone(self, repository: Path, user: str) -> None:
        """Clone the last commit of `repository` into `hark` in the user's home folder."""
        home = self.root / ("root" if user == "root" else f"home/{user}")
        # A git hook that runs the tests would point this git at another repository.
        variables = {k: v for k, v in os.environ.items() if k not in GIT_PLACES}
        subprocess.run(
            ["git", "clone", "--quiet", "--no-hardlinks", repository, home / "hark"],
            check=True,
            env=variables,
        )
        done = self.run(f"chown -R {user}: ~{user}/hark")
        assert done.returncode == 0, done.stderr


def _apt_sources() -> list[str]:
    """Return this machine's package sources of our suite, one `deb` line each.

    Empty on another distribution; `mmdebstrap` then takes its own default.
    """
    line = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    targets = _output_of("apt-get", "indextargets", "--format", line, "Created-By: Packages")
    return sorted({entry for entry in targets if _suite_of(entry) == SUITE})


def _suite_of(deb_line: str) -> str:
    return deb_line.split()[2].partition("-")[0]


def _apt_options() -> list[str]:
    """Return how this machine's apt reaches the network: proxies and the like."""
    options = _output_of("apt-config", "dump", "--no-empty", "--format", '%f "%v";%n')
    return [option for option in options if option.startswith("Acquire::http")]


def _pip_settings() -> dict[str, str]:
    """Return how this machine's pip reaches its index, from its files and its environment.

    Folders of extra packages stay behind: the locks must be satisfied by the index alone.
    """
    wanted = ("cert", "index-url", "proxy", "timeout", "default-timeout", "trusted-host")
    settings = {}
    for line in _output_of(sys.executable, "-m", "pip", "config", "list"):
        name, _, value = line.partition("=")
        if (key := name.rpartition(".")[2]) in wanted:
            settings[key] = str(ast.literal_eval(value))
    return settings


def _output_of(*command: str) -> list[str]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()
