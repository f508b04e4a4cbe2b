"""Configuration of Prometheus and Grafana for a Ray head: the Metrics page of Ray's dashboard shows the sweep's panels.

    python configure.py FOLDER [--ray URL] [--token FILE] [--prometheus URL] [--grafana-port PORT]

Ray's Metrics page embeds one Grafana dashboard, whose UID Ray knows (RAY_GRAFANA_DEFAULT_DASHBOARD_UID). What is
written below FOLDER under that UID has the sweep's panels first and then all of Ray's, under Ray's own panel numbers:
its other pages show some of them one by one.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ray.dashboard.modules.metrics import grafana_dashboard_factory as factory

OURS = Path(__file__).parent / "dashboard.json"
FIRST_NUMBER = 10_000
"""Of the sweep's panels on Ray's dashboard; Ray's own are below it."""
DATA_SOURCE = "Prometheus"
"""Ray asks Grafana for the data source of this name (RAY_PROMETHEUS_NAME)."""
SCRAPED_EVERY = "10s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ray", default="http://127.0.0.1:8265", metavar="URL", help="Ray's dashboard")
    parser.add_argument("--token", metavar="FILE", help="Ray's authentication token, where the cluster has one")
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--grafana-port", type=int, default=3000, metavar="PORT")
    given = parser.parse_args()
    folder = given.folder.resolve()
    grafana = folder / "grafana"
    files = {
        folder / "prometheus.yml": prometheus(given.ray, given.token),
        grafana / "provisioning/datasources/ray.yml": data_source(given.prometheus),
        grafana / "provisioning/dashboards/ray.yml": provider(grafana / "dashboards"),
        grafana / "dashboards/ray.json": metrics_page(),
        grafana / "dashboards/ray-data.json": json.loads(factory.generate_data_grafana_dashboard()[0]),
        grafana / "dashboards/ray-train.json": json.loads(factory.generate_train_grafana_dashboard()[0]),
        grafana / "dashboards/sweep.json": json.loads(OURS.read_text()),
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(content, indent=1))  # JSON is YAML, too
    write(grafana / "grafana.ini", grafana_ini(grafana, given.grafana_port))


def write(path: Path, text: str) -> None:
    """In one step: Grafana looks at its folders again and again."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text + "\n")
    new.replace(path)


def prometheus(ray: str, token: str | None) -> dict[str, Any]:
    """Ray's dashboard names every node's metrics port, so nodes may come and go."""
    found: dict[str, Any] = {"url": f"{ray}/api/prometheus/sd", "refresh_interval": SCRAPED_EVERY}
    if token:
        found["authorization"] = {"type": "Bearer", "credentials_file": str(Path(token).resolve())}
    return {
        "global": {"scrape_interval": SCRAPED_EVERY},
        "scrape_configs": [{"job_name": "ray", "http_sd_configs": [found]}],
    }


def data_source(url: str) -> dict[str, Any]:
    source = {"name": DATA_SOURCE, "type": "prometheus", "access": "proxy", "url": url, "isDefault": True}
    return {"apiVersion": 1, "datasources": [{**source, "jsonData": {"timeInterval": SCRAPED_EVERY}}]}


def provider(folder: Path) -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "providers": [{"name": "Ray", "folder": "Ray", "type": "file", "options": {"path": str(folder)}}],
    }


def metrics_page() -> dict[str, Any]:
    """Ray's default dashboard under its own UID, with the sweep's panels and variables before its own."""
    content, uid = factory.generate_default_grafana_dashboard()
    page, ours = json.loads(content), json.loads(OURS.read_text())
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in ours["panels"])
    for panel in ours["panels"]:
        panel["id"] += FIRST_NUMBER
    for row in page["panels"]:
        for panel in (row, *row.get("panels", ())):  # a row that is folded has its panels in it
            panel["gridPos"]["y"] += height
    theirs = page["templating"]["list"]
    known = {variable["name"] for variable in theirs}
    variables = [variable for variable in ours["templating"]["list"] if variable["name"] not in known]
    return {
        **page,
        "uid": uid,
        "panels": [*ours["panels"], *page["panels"]],
        "templating": {"list": [*theirs, *variables]},
    }


def grafana_ini(folder: Path, port: int) -> str:
    """Whoever reaches the port may look without a password, so that Ray's dashboard can embed it: loopback alone."""
    return f"""[server]
http_addr = 127.0.0.1
http_port = {port}

[paths]
data = {folder / "data"}
logs = {folder / "logs"}
plugins = {folder / "plugins"}
provisioning = {folder / "provisioning"}

[security]
allow_embedding = true
disable_initial_admin_creation = true

[auth.anonymous]
enabled = true
org_name = Main Org.
org_role = Viewer

[auth]
disable_login_form = true

[analytics]
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false"""


if __name__ == "__main__":
    main()
