"""First tables, and the user who owns everything until there are accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from fourpoint_core.ids import LOCAL_USER_ID

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upload_intents",
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("object_key", name=op.f("pk_upload_intents")),
    )
    op.create_index(op.f("ix_upload_intents_upload_id"), "upload_intents", ["upload_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "worker_processes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("queues", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("engine", sa.Text(), nullable=True),
        sa.Column("model_digest", sa.Text(), nullable=True),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker_processes")),
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("input_path", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_datasets_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    op.create_index("ix_datasets_created_at_id", "datasets", ["created_at", "id"], unique=False)
    op.create_index(
        "uq_datasets_name", "datasets", ["name"], unique=True, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("progress", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("dataset_id", sa.Uuid(), nullable=True),
        sa.Column("sample_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("lease_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_jobs_state")
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_jobs_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_created_at_id", "jobs", ["created_at", "id"], unique=False)
    op.create_index("ix_jobs_dataset_id", "jobs", ["dataset_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["state", "created_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("lease_number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_attempts_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "lease_number", name=op.f("pk_job_attempts")),
    )
    op.create_table(
        "labels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.Column("mask_index", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_labels_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
    )
    op.create_index("uq_labels_dataset_id_mask_index", "labels", ["dataset_id", "mask_index"], unique=True)
    op.create_index(
        "uq_labels_dataset_id_name",
        "labels",
        ["dataset_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "samples",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("object_etag", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("annotation_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("labeled_by", sa.Uuid(), nullable=True),
        sa.Column("labeled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_samples_created_by")),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_samples_dataset_id")),
        sa.ForeignKeyConstraint(["labeled_by"], ["users.id"], name=op.f("fk_samples_labeled_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
    )
    op.create_index(
        "ix_samples_dataset_id_created_at_id", "samples", ["dataset_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_samples_labeled",
        "samples",
        ["dataset_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("annotation_count > 0"),
    )
    op.create_index("ix_samples_object_key", "samples", ["object_key"], unique=False)
    op.create_index(
        "ix_samples_unlabeled",
        "samples",
        ["dataset_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("annotation_count = 0"),
    )
    op.create_index("uq_samples_dataset_id_object_key", "samples", ["dataset_id", "object_key"], unique=True)
    op.create_table(
        "contours",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("prompt", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("contour", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("bounding_box", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("area", sa.Double(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("confident", sa.Boolean(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.Text(), nullable=False),
        sa.Column("milliseconds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_contours_created_by")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_contours_sample_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contours")),
    )
    op.create_index(op.f("ix_contours_sample_id"), "contours", ["sample_id"], unique=False)
    op.create_table(
        "drafts",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("base_revision", sa.Integer(), nullable=False),
        sa.Column("annotations", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_drafts_sample_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_drafts_user_id")),
        sa.PrimaryKeyConstraint("sample_id", "user_id", name=op.f("pk_drafts")),
    )
    op.create_table(
        "revisions",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_revisions_author_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_revisions_sample_id")),
        sa.PrimaryKeyConstraint("sample_id", "number", name=op.f("pk_revisions")),
    )
    op.create_table(
        "annotations",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("annotation_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Integer(), nullable=False),
        sa.Column("valid_to", sa.Integer(), nullable=True),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("contour", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("bounding_box", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("area", sa.Double(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("prompt", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("contour_id", sa.Uuid(), nullable=True),
        sa.Column("engine", sa.Text(), nullable=True),
        sa.Column("model_digest", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("method IN ('polygon', 'extreme_points')", name=op.f("ck_annotations_method")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_annotations_created_by")),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_annotations_label_id")),
        sa.ForeignKeyConstraint(
            ["sample_id", "valid_from"],
            ["revisions.sample_id", "revisions.number"],
            name=op.f("fk_annotations_sample_id_valid_from"),
        ),
        sa.PrimaryKeyConstraint("sample_id", "annotation_id", "valid_from", name=op.f("pk_annotations")),
    )
    op.create_index(
        "ix_annotations_label_id",
        "annotations",
        ["label_id"],
        unique=False,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(
        "uq_annotations_current",
        "annotations",
        ["sample_id", "annotation_id"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.execute(
        sa.text("INSERT INTO users (id, name) VALUES (:id, 'local')").bindparams(
            sa.bindparam("id", LOCAL_USER_ID, type_=sa.Uuid())
        )
    )


def downgrade() -> None:
    op.drop_index(
        "uq_annotations_current", table_name="annotations", postgresql_where=sa.text("valid_to IS NULL")
    )
    op.drop_index(
        "ix_annotations_label_id", table_name="annotations", postgresql_where=sa.text("valid_to IS NULL")
    )
    op.drop_table("annotations")
    op.drop_table("revisions")
    op.drop_table("drafts")
    op.drop_index(op.f("ix_contours_sample_id"), table_name="contours")
    op.drop_table("contours")
    op.drop_index("uq_samples_dataset_id_object_key", table_name="samples")
    op.drop_index(
        "ix_samples_unlabeled", table_name="samples", postgresql_where=sa.text("annotation_count = 0")
    )
    op.drop_index("ix_samples_object_key", table_name="samples")
    op.drop_index("ix_samples_labeled", table_name="samples", postgresql_where=sa.text("annotation_count > 0"))
    op.drop_index("ix_samples_dataset_id_created_at_id", table_name="samples")
    op.drop_table("samples")
    op.drop_index(
        "uq_labels_dataset_id_name", table_name="labels", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index("uq_labels_dataset_id_mask_index", table_name="labels")
    op.drop_table("labels")
    op.drop_table("job_attempts")
    op.drop_index("ix_jobs_open", table_name="jobs", postgresql_where=sa.text("state IN ('queued', 'running')"))
    op.drop_index("ix_jobs_dataset_id", table_name="jobs")
    op.drop_index("ix_jobs_created_at_id", table_name="jobs")
    op.drop_table("jobs")
    op.drop_index("uq_datasets_name", table_name="datasets", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_index("ix_datasets_created_at_id", table_name="datasets")
    op.drop_table("datasets")
    op.drop_table("worker_processes")
    op.drop_table("users")
    op.drop_index(op.f("ix_upload_intents_upload_id"), table_name="upload_intents")
    op.drop_table("upload_intents")
