"""Webhooks: events are written by triggers, in the transaction that makes them happen.

Triggers and not the code, for the reasons that counts are kept so (0004): jobs write in bulk, and the previous
version's code runs beside this schema. Where no webhook is interested they cost one look at an empty table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_EMIT = """
CREATE FUNCTION emit_event(dataset uuid, event_name text, data jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event uuid := gen_random_uuid();
BEGIN
    INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, body, next_attempt_at)
    SELECT gen_random_uuid(), webhook.id, event, event_name,
        jsonb_build_object('id', event, 'event', event_name, 'dataset_id', dataset,
            'created_at', clock_timestamp(), 'data', data),
        clock_timestamp()
    FROM webhooks webhook
    WHERE webhook.active AND event_name = ANY (webhook.events)
        AND (webhook.dataset_id = dataset OR webhook.dataset_id IS NULL);
END $$
"""

# A thousand ids a message; more make more messages.
_EMIT_SAMPLES = """
CREATE FUNCTION emit_samples(dataset uuid, event_name text, ids uuid[]) RETURNS void LANGUAGE sql AS $$
    SELECT emit_event(dataset, event_name, jsonb_build_object('sample_ids', to_jsonb(slice)))
    FROM (
        SELECT array_agg(id) AS slice FROM unnest(ids) WITH ORDINALITY AS item(id, place)
        GROUP BY (place - 1) / 1000 ORDER BY (place - 1) / 1000
    ) slices
$$
"""

_FUNCTIONS = {
    "tell_samples_added": """
        PERFORM emit_samples(dataset_id, 'samples.created', array_agg(id)) FROM added
        WHERE trashed_at IS NULL GROUP BY dataset_id;
    """,
    "tell_samples_changed": """
        PERFORM emit_samples(after.dataset_id,
            CASE WHEN after.trashed_at IS NULL THEN 'samples.restored' ELSE 'samples.deleted' END,
            array_agg(after.id))
        FROM after JOIN before USING (id)
        WHERE (after.trashed_at IS NULL) <> (before.trashed_at IS NULL)
        GROUP BY after.dataset_id, after.trashed_at IS NULL;
    """,
    # What lay in the trash has been told of, and so has a dataset that is gone with all that is in it.
    "tell_samples_removed": """
        PERFORM emit_samples(before.dataset_id, 'samples.deleted', array_agg(before.id))
        FROM before JOIN datasets dataset ON dataset.id = before.dataset_id AND dataset.deleted_at IS NULL
        WHERE before.trashed_at IS NULL GROUP BY before.dataset_id;
    """,
    "tell_revisions": """
        PERFORM emit_event(sample.dataset_id, 'annotations.saved', jsonb_build_object(
            'sample_id', added.sample_id, 'revision', added.number, 'action', added.action,
            'author_id', added.author_id))
        FROM added JOIN samples sample ON sample.id = added.sample_id;
    """,
    "tell_jobs": """
        PERFORM emit_event(NEW.dataset_id, 'job.finished', jsonb_build_object(
            'job_id', NEW.id, 'kind', NEW.kind, 'state', NEW.state, 'sample_id', NEW.sample_id,
            'error_code', NEW.error ->> 'code'));
    """,
    "tell_datasets": """
        PERFORM emit_event(NEW.id,
            CASE WHEN NEW.deleted_at IS NULL THEN 'dataset.created' ELSE 'dataset.deleted' END,
            jsonb_build_object('name', NEW.name));
    """,
}
_FINAL = "('succeeded', 'failed', 'cancelled')"
_TRIGGERS = {
    "tell_samples_added": "AFTER INSERT ON samples REFERENCING NEW TABLE AS added FOR EACH STATEMENT",
    "tell_samples_changed": "AFTER UPDATE ON samples REFERENCING OLD TABLE AS before NEW TABLE AS after "
    "FOR EACH STATEMENT",
    "tell_samples_removed": "AFTER DELETE ON samples REFERENCING OLD TABLE AS before FOR EACH STATEMENT",
    "tell_revisions": "AFTER INSERT ON revisions REFERENCING NEW TABLE AS added FOR EACH STATEMENT",
    # A click's job is answered by the click; nobody wants to be called for each.
    "tell_jobs": f"AFTER UPDATE OF state ON jobs FOR EACH ROW WHEN (NEW.state IN {_FINAL} "
    f"AND OLD.state NOT IN {_FINAL} AND NEW.queue NOT IN ('click', 'prefetch'))",
    "tell_datasets": "AFTER INSERT OR UPDATE OF deleted_at ON datasets FOR EACH ROW",
}


def upgrade() -> None:
    _create_tables()
    op.execute(_EMIT)
    op.execute(_EMIT_SAMPLES)
    for name, body in _FUNCTIONS.items():
        # Most installations have no webhook, and each of these runs with every save.
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # nosec B608 - constants
            f"IF EXISTS (SELECT FROM webhooks WHERE active) THEN {body} END IF; RETURN NULL; END $$"
        )
    for name, when in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")


def _create_tables() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        _now("created_at"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_webhooks_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_created_at_id", "webhooks", ["created_at", "id"])
    op.create_index("ix_webhooks_dataset_id", "webhooks", ["dataset_id", "created_at", "id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claim", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        _now("created_at"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index("ix_webhook_deliveries_log", "webhook_deliveries", ["webhook_id", "created_at", "id"])
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["webhook_id", "next_attempt_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_ended_at",
        "webhook_deliveries",
        ["ended_at"],
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def downgrade() -> None:
    for name, when in _TRIGGERS.items():
        table = when.partition(" ON ")[2].split()[0]
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
    op.execute("DROP FUNCTION emit_samples(uuid, text, uuid[])")
    op.execute("DROP FUNCTION emit_event(uuid, text, jsonb)")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
