"""Settings: one frozen object, from the environment (``CLOISON_...``), checked at start.

What the command line says goes before a variable, a variable before a file that holds a secret,
that before the file of settings (see ``sources``). Decides every bound of the running server, each
with its reason; the wire's own bounds are in ``server/protocol/scalars.py``. Secrets are never
printed. Invariant: nothing reads the environment after this object is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from server.sources import SecretFiles, SettingsFile


def _bound(default: float, reason: str, *, least: float = 1, most: float = 2**31) -> Any:
    return Field(default, ge=least, le=most, description=reason)


class Settings(BaseSettings):
    """How this server runs. Each field is ``CLOISON_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="CLOISON_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        8000, ge=0, le=65_535, description="Port to listen on; 0 lets the system choose."
    )
    data_dir: Path = Field(Path("var"), description="Folder of the embedded database.")
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL of the database; by default SQLite in `data_dir`; or"
        " `postgresql://USER@HOST/DATABASE`.",
    )
    keys_dir: Path | None = Field(
        None,
        description="Folder of the keys that make stored words readable; by default `keys` in"
        " `data_dir`. Keep it out of the data's backups.",
    )
    broker_url: SecretStr | None = Field(
        None,
        description="Redis through which several nodes hear each other: redis://, rediss://,"
        " redis+sentinel:// or redis+cluster://; none: this node is alone.",
    )
    broker_prefix: str = Field(
        "cloison",
        pattern="^[a-z0-9:_-]{1,32}$",
        description="What the names of the broker's channels begin with; the same on all nodes.",
    )
    broker_places: Annotated[
        tuple[str, ...],
        Field(
            description="Further servers that Sentinel or the cluster may name, as a JSON list of"
            " HOST:PORT: this process connects to no others."
        ),
    ] = ()
    keys_url: str | None = Field(
        None,
        description="SQLAlchemy URL of a PostgreSQL for the keys, in the place of `keys_dir`; not"
        " the data's server. Several machines need it.",
    )
    origins: Annotated[
        tuple[str, ...],
        Field(
            description="Web origins that may use cookies, as a JSON list; same host always may."
        ),
    ] = ()
    tls_certificate: FilePath | None = Field(
        None, description="Certificate chain in PEM: the server then speaks TLS itself."
    )
    tls_key: FilePath | None = Field(
        None, description="Private key of the certificate in PEM, without a passphrase."
    )
    metrics_host: str = Field("127.0.0.1", description="Address that metrics are read at.")
    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="Port that metrics are read at; none: there are none."
    )
    traces_file: Path | None = Field(
        None,
        description="File that traces are written to, in lines of OTLP as JSON; none: there are"
        " none.",
    )
    traces_bytes_max: int = _bound(
        67_108_864, "Bytes of that file, and of the one before it.", least=65_536
    )
    fast_links: bool = Field(
        default=True,
        description="Serve WebSockets through the prepared-frame protocol; off: plain ASGI.",
    )
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Least level that is logged."
    )

    connections_max: int = _bound(
        20_000, "Connections at once: about 3 KB each, so that idle ones fit in 60 MB."
    )
    connections_per_address_max: int = _bound(
        1_000, "Connections from one network address: an office behind one router fits."
    )
    connections_per_session_max: int = _bound(
        20, "Connections of one session: tabs of one browser."
    )
    subscriptions_max: int = _bound(
        500, "Spheres and threads that one connection may subscribe to."
    )
    hello_timeout_s: float = _bound(10, "Seconds from the handshake to a valid hello.", least=0.1)
    http_connections_per_address_max: int = _bound(
        500,
        "Connections from one network address that are no WebSockets (yet): silent ones must not"
        " keep others out, and a proxy keeps some hundreds.",
    )
    http_head_bytes_max: int = _bound(
        32_768, "Bytes of a request's head: twice what browsers send at most.", least=4_096
    )
    flood_pause_s: float = _bound(
        0.01,
        "Seconds that a connection rests after 256 frames at once: 25,600 a second are beyond any"
        " use, and others have their turn.",
        least=0,
    )
    handshake_timeout_s: float = _bound(10, "Seconds to finish the HTTP handshake.", least=0.1)
    ping_interval_s: float = _bound(20, "Seconds between pings: below common proxies' 30.", least=1)
    ping_timeout_s: float = _bound(20, "Seconds without a byte after a ping.", least=1)
    close_timeout_s: float = _bound(5, "Seconds for the peer to answer a close.", least=0.1)
    outbox_bytes_high: int = _bound(
        65_536, "Bytes unsent to one reader before it counts as congested.", least=4_096
    )
    outbox_bytes_max: int = _bound(
        1_048_576, "Bytes unsent to one reader before it is cut with 4001.", least=65_536
    )
    backlog_max: int = _bound(
        128, "Frames of one connection that wait while a command runs; then reading stops."
    )
    backlog_bytes_max: int = _bound(
        131_072, "Bytes of those frames: two of the largest.", least=65_536
    )
    public_readers_max: int = _bound(
        5_000,
        "Connections of readers without an account, in all: counted apart from the others, so that"
        " readers shut nobody out.",
    )
    public_readers_per_address_max: int = _bound(
        200, "Those from one network address: a school behind one router fits."
    )
    public_readers_per_sphere_max: int = _bound(
        2_000, "Those of one sphere: what is said there goes to each of them."
    )
    reader_lifetime_s: float = _bound(
        3_600,
        "Seconds until a reader's connection closes by itself: who still reads comes back.",
        least=0.1,
        most=86_400,
    )
    reader_commands_per_second: float = _bound(
        2, "Steady commands per second of one reader: scrolling back.", least=0.1
    )
    reader_commands_burst: int = _bound(
        20, "Commands at once of one reader: a client that resumes."
    )
    reader_looks_max: int = _bound(
        1,
        "Looks at the store that all readers have at once: fewer than `readers_max`, so that a"
        " member waits behind none.",
        most=64,
    )
    posts_pending_max: int = _bound(
        64, "Unacknowledged posts of one connection; more are refused with too_fast."
    )
    commands_per_second: float = _bound(
        100, "Steady commands per second of one connection: ten times a fast typist's client."
    )
    commands_burst: int = _bound(200, "Commands at once of one connection: a client that resumes.")
    rewrites_per_second: float = _bound(
        2, "Steady edits and deletions per second of one connection: each empties a journal."
    )
    rewrites_burst: int = _bound(
        50,
        "Edits and deletions at once of one connection: somebody who takes an hour's words back.",
    )
    posts_per_second: float = _bound(
        2_000, "Steady posts per second of one connection: people are slower, bridges are not."
    )
    refusals_max: int = _bound(
        1_000, "Refusals in a row, without one command understood, before the connection is closed."
    )
    connector_posts_per_second: float = _bound(
        20, "Steady posts per second of one connector, over every door."
    )
    connector_posts_burst: int = _bound(100, "Posts at once of one connector: a build's outcome.")

    writer_queue_max: int = _bound(
        20_000, "Writes waiting for the store; more are refused with busy."
    )
    writer_bytes_max: int = _bound(
        67_108_864, "Bytes of posts waiting for the store; more are refused with busy."
    )
    batch_posts_max: int = _bound(
        512, "Posts in one transaction: bounds how long others wait behind it."
    )
    batch_bytes_max: int = _bound(
        262_144,
        "Bytes of bodies in one transaction: a quarter of a reader's outbox, so that no batch cuts"
        " a reader who keeps up.",
        least=65_536,
    )
    readers_max: int = _bound(
        2, "Database connections that read: more would only contend for the interpreter.", most=64
    )
    members_per_sphere_max: int = _bound(5_000, "Members of one sphere.")
    spheres_per_member_max: int = _bound(500, "Spheres that one member may be inside.")
    invitations_per_sphere_max: int = _bound(
        1_000, "Pending invitations of one sphere; the oldest lapses beyond."
    )
    connectors_per_sphere_max: int = _bound(50, "Connectors of one sphere.")
    requests_per_sphere_max: int = _bound(
        1_000, "Pending requests to be let into one sphere; the oldest lapses beyond."
    )
    threads_per_member_max: int = _bound(
        1_000,
        "Private threads of one member in one sphere: a list is read whole.",
    )
    invitations_per_organisation_max: int = _bound(
        10_000, "Pending invitations to one organisation: a new house moves in at once."
    )

    presence_every_s: float = _bound(
        1,
        "Seconds between two frames that say who came and went in a sphere: a thousand who come"
        " back together are a few frames.",
        least=0.01,
    )
    presence_grace_s: float = _bound(
        5,
        "Seconds without a device before a member is said to be gone, at least: a reconnection"
        " does not show. Up to two `presence_every_s` more.",
        least=0,
    )
    presence_members_max: int = _bound(
        200,
        "Members of a sphere beyond which nobody is shown as present: among more, somebody comes or"
        " goes every second, and all the others' phones would wake.",
        least=0,
    )
    typing_every_s: float = _bound(
        3, "Seconds before others are told again that a member types on a timeline.", least=0.1
    )
    typings_per_second: float = _bound(
        10,
        "Times a second that the listeners of one timeline are told that somebody types: more"
        " names than anybody reads, however many type at once.",
    )
    reactions_per_message_max: int = _bound(
        20, "Reactions of one member to one message: a row of them on a phone's screen."
    )

    attachment_bytes_max: int = _bound(
        26_214_400, "Bytes of one file: what mail usually takes.", most=2**33
    )
    attachment_bytes_per_member_max: int = _bound(
        134_217_728,
        "Bytes of all files of one member in one sphere, its private threads included: erasing them"
        " is one transaction, behind which everybody's posts wait.",
        most=2**33,
    )
    attachments_pending_max: int = _bound(
        20,
        "Files of one member that wait for their bytes, or for their message; 0: there are none.",
        least=0,
    )
    attachment_pending_s: float = _bound(
        3_600, "Seconds that a file waits for its bytes and its message; then it is erased."
    )
    transfers_max: int = _bound(
        32, "Files that come and go at once: each holds half a megabyte meanwhile."
    )
    transfers_per_member_max: int = _bound(
        4, "Those of one member, on all devices: so that nobody's take all the places."
    )
    transfer_stall_s: float = _bound(
        30, "Seconds for 64 KiB of a file to come or go; a slower line is cut.", least=0.1
    )

    beat_every_s: float = _bound(
        0.2, "Seconds between two beats of a node: four fit in `deaf_after_s`.", least=0.01, most=60
    )
    deaf_after_s: float = _bound(
        0.8,
        "Seconds without hearing its own beat before a node delivers nothing more: within the"
        " second in which a revocation must have reached every node.",
        least=0.05,
        most=60,
    )
    repair_after_s: float = _bound(
        0.05,
        "Seconds that a gap on a timeline may last before it is read from the store: many times"
        " what a message takes through the broker.",
        least=0.001,
        most=60,
    )
    heads_every_s: float = _bound(
        2,
        "Seconds between comparisons of all timelines that are listened to with the store: one"
        " query.",
        least=0.05,
        most=3_600,
    )
    broker_queue_max: int = _bound(
        10_000,
        "Departures and revocations that wait for a broken line to the broker; beyond, the other"
        " nodes start over.",
    )
    broker_bytes_max: int = _bound(
        16_777_216,
        "Bytes unsent to the broker before what is said is left to be found in the store.",
        least=65_536,
    )

    argon2_memory_kib: int = _bound(
        65_536,
        "Memory of one password hash: RFC 9106, second recommended option, above OWASP's floor.",
        least=19_456,
    )
    argon2_time: int = _bound(3, "Passes of one password hash: RFC 9106.", least=2, most=20)
    argon2_lanes: int = _bound(
        1,
        "Lanes of one password hash: one (RFC 9106 says 4), so that a hash takes one core at most.",
        most=16,
    )
    hashers_max: int = _bound(
        1, "Password hashes at once: one, so that a core stays free for messages.", most=64
    )
    hashes_waiting_max: int = _bound(64, "Sign-ins waiting for a hash; more are refused with busy.")
    sign_ins_per_minute_per_source: float = _bound(
        60, "Steady sign-ins a minute from one network address."
    )
    sign_in_failures_per_minute: float = _bound(
        10, "Steady failed sign-ins a minute against one address from one source."
    )
    seen_every_s: float = _bound(
        30, "Seconds between notes of session activity in the store.", least=0.05
    )
    errands_every_s: float = _bound(
        0.5,
        "Seconds between looks at what the command line asks: half of the second in which a"
        " tightened policy must reach open sockets.",
        least=0.01,
        most=60,
    )
    http_body_bytes_max: int = _bound(
        131_072, "Bytes of an HTTP request's body: a body in JSON escapes.", least=1_024
    )
    hook_body_bytes_max: int = _bound(
        1_048_576, "Bytes of what a tool sends to a hook: forges list every commit.", least=1_024
    )
    drain_spread_s: float = _bound(
        0,
        "Seconds over which a server that stops sends its connections away, so that the other nodes"
        " are not stormed; 0 where there are none.",
        least=0,
        most=600,
    )
    drain_s: float = _bound(5, "Seconds to finish what is under way when stopping.", least=0.1)

    @property
    def keys_path(self) -> Path:
        """Return the keyring's file."""
        return (self.keys_dir or self.data_dir / "keys") / "keys.sqlite3"

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) is not (self.tls_key is None):
            raise ValueError("TLS needs both tls_certificate and tls_key.")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first. There is no ``.env``: nothing is implicit."""
        return init_settings, env_settings, SecretFiles(settings_cls), SettingsFile(settings_cls)

    @property
    def url(self) -> str:
        """Return the database's URL."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'cloison.sqlite3'}"
