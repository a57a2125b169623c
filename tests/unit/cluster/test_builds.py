"""The build secrets: what of the machine's own settings a build needs, and nothing else."""

from pathlib import Path

from egress_cluster.builds import apt_configuration, pip_configuration, secrets

PIP_LIST = """\
:env:.cert='/etc/ssl/certs/ca-certificates.crt'
:env:.find-links='/opt/wheels'
global.index-url='https://user:word@mirror.example/simple'
install.timeout='30'
"""

APT_DUMP = """\
APT "";
Acquire::AllowInsecureRepositories "0";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::Verify-Peer "true";
Acquire::Retries "3";
Acquire::cdrom::mount "/media/cdrom/";
"""


def test_pip_gets_the_machines_index_and_the_bundle_inside_the_build() -> None:
    assert pip_configuration(PIP_LIST, environment={}, ca=True).splitlines() == [
        "[global]",
        "index-url = https://user:word@mirror.example/simple",
        "timeout = 30",
        "cert = /run/secrets/ca",
    ]


def test_pips_environment_wins_over_its_files() -> None:
    text = pip_configuration(
        PIP_LIST, environment={"PIP_INDEX_URL": "https://other.example/simple"}, ca=False
    )
    assert "index-url = https://other.example/simple" in text.splitlines()


def test_a_machine_with_nothing_to_say_gives_no_file() -> None:
    assert pip_configuration("", environment={}, ca=False) == ""
    assert apt_configuration('APT "";\nAcquire::http "";\n', ca=False) == ""


def test_apt_gets_what_reaches_the_mirrors() -> None:
    assert apt_configuration(APT_DUMP, ca=True).splitlines() == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::Verify-Peer "true";',
        'Acquire::Retries "3";',
        'Acquire::https::CaInfo "/run/secrets/ca";',
    ]


def test_the_bundle_is_handed_on_from_where_it_lies(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("certificates")
    found = secrets(tmp_path, environment={"SSL_CERT_FILE": str(bundle)})
    assert found["ca"] == bundle
    assert found["pipconf"].stat().st_mode & 0o077 == 0


def test_a_bundle_that_is_not_there_is_not_named(tmp_path: Path) -> None:
    assert "ca" not in secrets(tmp_path, environment={"PIP_CERT": str(tmp_path / "none")})
