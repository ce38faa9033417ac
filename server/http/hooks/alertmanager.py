"""Alertmanager: the webhook of Prometheus' Alertmanager, version 4.

Decides how a group of alerts reads: what it is about on the first line, then each alert by what is
its own. The fingerprints and the server's addresses are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.http.hooks.delivery import Brought, Delivery, lines

Labels = Mapping[str, str]


class Alert(msgspec.Struct, frozen=True):
    """One alert of a group."""

    status: str = "firing"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Group(msgspec.Struct, frozen=True, rename="camel"):
    """Alerts that are told together."""

    alerts: list[Alert]
    status: str
    group_labels: dict[str, str] = {}
    common_labels: dict[str, str] = {}
    common_annotations: dict[str, str] = {}
    truncated_alerts: int = 0


def recognises(delivery: Delivery) -> bool:
    """Say whether this is a group of alerts."""
    document = delivery.document
    return isinstance(document, dict) and "alerts" in document and "groupLabels" in document


def read(delivery: Delivery) -> Brought:
    """Return a group as a headline and one line an alert. Raises msgspec.ValidationError."""
    group = msgspec.convert(delivery.document, Group)
    left_out = group.truncated_alerts
    return Brought(
        text=lines(
            _headline(group),
            _words(group.common_annotations),
            *(_line(alert, group) for alert in group.alerts),
            f"… and {left_out} more" if left_out else None,
        )
    )


def _headline(group: Group) -> str:
    firing = sum(alert.status == "firing" for alert in group.alerts)
    count = f":{firing}" if group.status == "firing" else ""
    name = group.common_labels.get("alertname") or group.group_labels.get("alertname") or "alerts"
    about = _pairs(group.group_labels, group.common_labels.get("severity"))
    return f"[{group.status.upper()}{count}] {name}{about}"


def _pairs(labels: Labels, severity: str | None) -> str:
    told = [f"{name}={value}" for name, value in labels.items() if name != "alertname"]
    if severity and "severity" not in labels:
        told.append(f"severity={severity}")
    return f" ({', '.join(told)})" if told else ""


def _line(alert: Alert, group: Group) -> str:
    """Return an alert by its own labels and annotations: the common ones are told above."""
    known = {*group.common_labels.items(), *group.group_labels.items()}
    labels = dict(pair for pair in alert.labels.items() if pair not in known)
    common = group.common_annotations.items()
    own = dict(pair for pair in alert.annotations.items() if pair not in common)
    told = [part for part in (_words(own), _pairs(labels, None).strip()) if part]
    if not told:
        return ""
    over = "" if alert.status == group.status else f"[{alert.status.upper()}] "
    return f"• {over}{' '.join(told)}"


def _words(annotations: Labels) -> str:
    """Return what people are told: the summary and the description, or the message."""
    names = ("summary", "description", "message")
    return " - ".join(annotations[name] for name in names if annotations.get(name))
