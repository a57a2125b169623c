"""A real kube-apiserver and etcd on loopback, in a few seconds, out of the same binary as the nodes; no Docker.

In: the kube binary and an empty folder. Out: kubeconfigs for the admin, for users and for service accounts.
No controller runs: nothing is garbage-collected, no Pod is scheduled, a deleted namespace stays Terminating. The tests
of this tier play those parts themselves. All files and processes are the server's own; `stop` ends them.
"""

import base64
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .errors import ClusterError
from .run import run, wait_until

START_SECONDS = 30
"""Seconds until the API server must be ready (3 here, on 2 free cores)."""

_STOP_SECONDS = 10
_PORTS = range(20_000, 30_000)
_ADVERTISED = "192.0.2.1"  # must not be loopback, and nobody goes there: no endpoints are published


class ApiServer:
    """etcd and kube-apiserver; use it as a context manager, or `start` and `stop` it."""

    def __init__(self, kube: Path, *, folder: Path | None = None) -> None:
        """Prepare; nothing is started yet.

        Args:
            kube: The binary (`gobuild.build(KUBE, …)`), called by each component's name through links.
            folder: Where data and logs go, and stay; default: a new temporary folder, deleted at the end.

        """
        self._kube = kube
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="egress-api-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token = secrets.token_hex(16)
        self._claims: list[socket.socket] = []
        self._port, self._etcd_port, self._peer_port = (_free_port(self._claims) for _ in range(3))
        self._prepared = False

    @property
    def url(self) -> str:
        """Where the API server listens; the same after a restart."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def kubectl(self) -> Path:
        """A kubectl of the same version."""
        return self.folder / "kubectl"

    @property
    def log(self) -> Path:
        """The API server's log."""
        return self.folder / "kube-apiserver.log"

    def __enter__(self) -> Self:
        """Start both."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both."""
        self.stop()

    def start(self) -> None:
        """Start etcd and the API server, and wait until it is ready; raises ClusterError with the log's name."""
        try:
            self._prepare()
            self._start_etcd()
            self._start_api_server()
        except BaseException:
            self._end("kube-apiserver")
            self._end("etcd")
            raise

    def stop(self) -> None:
        """End both; a temporary folder goes."""
        self._end("kube-apiserver")
        self._end("etcd")
        for claim in self._claims:
            claim.close()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def stop_api_server(self) -> None:
        """End the API server alone, as in an outage; etcd keeps what it has."""
        self._end("kube-apiserver")

    @property
    def serving(self) -> bool:
        """Whether the API server runs."""
        process = self._processes.get("kube-apiserver")
        return process is not None and process.poll() is None

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run, by name: what they spend is the kernel's to say."""
        return {name: process.pid for name, process in self._processes.items()}

    def restart(self) -> None:
        """Start the API server anew on the same port with the same data: watches break, resources stay."""
        self._end("kube-apiserver")
        self._start_api_server()

    def restart_etcd(self) -> None:
        """Start etcd anew on the same port with the same data; the API server finds its way back."""
        self._end("etcd")
        self._start_etcd()
        wait_until("the API server is ready", self._ready, seconds=START_SECONDS, log=self.log)

    def user(self, name: str, *, groups: Iterable[str] = ()) -> Path:
        """Make a user (a client certificate) and give a kubeconfig; what it may do is for RBAC to say."""
        stem = self.folder / f"user-{secrets.token_hex(4)}"
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={name}"
        _openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject,
                 "-keyout", f"{stem}.key", "-out", f"{stem}.csr")  # fmt: skip
        _openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", str(self.folder / "ca.crt"),
                 "-CAkey", str(self.folder / "ca.key"), "-set_serial", f"0x{secrets.token_hex(8)}",
                 "-days", "30", "-out", f"{stem}.crt")  # fmt: skip
        identity = {
            "client-certificate-data": _base64(Path(f"{stem}.crt")),
            "client-key-data": _base64(Path(f"{stem}.key")),
        }
        return self._write_kubeconfig(Path(f"{stem}.kubeconfig"), user=identity)

    def service_account(self, name: str, *, namespace: str) -> Path:
        """Get a token for a service account that exists, and give a kubeconfig with it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = self.request("POST", path, body=body)
        target = self.folder / f"account-{namespace}-{name}.kubeconfig"
        return self._write_kubeconfig(target, user={"token": answer["status"]["token"]})

    def request(self, method: str, path: str, *, body: object = None) -> Any:
        """Ask the API server as the admin, and give the answer's JSON (or its text)."""
        request = urllib.request.Request(  # noqa: S310 - our own https address
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=str(self._certificate))
        with urllib.request.urlopen(request, timeout=10, context=context) as response:  # noqa: S310 - as above
            text = response.read().decode()
            return json.loads(text) if "json" in response.headers.get("Content-Type", "") else text

    @property
    def _certificate(self) -> Path:
        return self.folder / "pki" / "apiserver.crt"

    def _prepare(self) -> None:
        if self._prepared:
            return
        for name in ("etcd", "kube-apiserver", "kubectl"):
            (self.folder / name).symlink_to(self._kube)
        _openssl("genrsa", "-out", str(self.folder / "sa.key"), "2048")
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=egress-api-tests", "-days", "30",
                 "-keyout", str(self.folder / "ca.key"), "-out", str(self.folder / "ca.crt"))  # fmt: skip
        tokens = self.folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self._token},admin,admin,"system:masters"\n')
        self._write_kubeconfig(self.kubeconfig, user={"token": self._token})
        self._prepared = True

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        self._spawn(
            "etcd",
            "--name=only", f"--data-dir={self.folder / 'data'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=only={peer}",
        )  # fmt: skip

    def _start_api_server(self) -> None:
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--cert-dir={self.folder / 'pki'}",
            "--bind-address=127.0.0.1", f"--secure-port={self._port}",
            f"--advertise-address={_ADVERTISED}", "--endpoint-reconciler-type=none",
            f"--client-ca-file={self.folder / 'ca.crt'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'sa.key'}",
            f"--service-account-signing-key-file={self.folder / 'sa.key'}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            # Its controller, which makes a `default` account in each namespace, does not run here.
            "--disable-admission-plugins=ServiceAccount",
        )  # fmt: skip
        wait_until("the API server is ready", self._ready, seconds=START_SECONDS, log=self.log)

    def _spawn(self, name: str, *flags: str) -> None:
        # A killed test run takes both along: the kernel ends them with their parent.
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*guard, str(self.folder / name), *flags],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
            )

    def _ready(self) -> bool:
        for name, process in self._processes.items():
            if process.poll() is not None:
                log = self.folder / f"{name}.log"
                tail = log.read_text(errors="replace")[-1500:]
                raise ClusterError(f"{name} ended at once with code {process.returncode}:\n{tail}", log=log)
        if not self._certificate.exists():
            return False
        try:
            return bool(self.request("GET", "/readyz") == "ok")
        except (OSError, urllib.error.URLError):
            return False

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        if name == "kube-apiserver":
            # It keeps nothing, and an orderly end takes it up to ten seconds: it waits for every open watch.
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=_STOP_SECONDS)

    def _write_kubeconfig(self, path: Path, *, user: dict[str, str]) -> Path:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "api",
                    "cluster": {"server": self.url, "certificate-authority": str(self._certificate)},
                }
            ],
            "users": [{"name": "user", "user": user}],
            "contexts": [
                {"name": "api", "context": {"cluster": "api", "user": "user", "namespace": "default"}}
            ],
            "current-context": "api",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML too
        return path


def _free_port(claims: list[socket.socket]) -> int:
    """Find a free port that no other test process has been given either.

    Seconds pass until etcd or the API server listens there. The claim is a name that the kernel frees with us.
    It is none of those that the kernel gives to outgoing connections: while a server is down, a client that tries
    again and again would come to have its port, and even be connected to itself.
    """
    while True:
        port = secrets.choice(_PORTS)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0egress-api-port-{port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()  # another one's, who is about to listen or does
            continue
        claims.append(claim)
        return port


def _openssl(*arguments: str) -> None:
    run(["openssl", *arguments], seconds=30, env=dict(os.environ))


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
