"""A lighter message table: what costs time at every change of a message's state, and nobody needs.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_APART = sa.text("state IN ('bounced', 'expired', 'skipped', 'uncertain', 'cancelled')")


def upgrade() -> None:
    # SQLite makes the table anew, once, and the indexes with it.
    with op.batch_alter_table("message") as batch_op:
        batch_op.drop_index("ix_message_recipient")
        batch_op.drop_index("ix_message_address_key")
        batch_op.drop_constraint("uq_message_message_id", type_="unique")
        batch_op.drop_constraint("fk_message_run_id", type_="foreignkey")
        batch_op.drop_constraint("fk_message_claimed_by", type_="foreignkey")
        batch_op.create_index(
            "ix_message_apart", ["run_id", "state"], sqlite_where=_APART, postgresql_where=_APART
        )


def downgrade() -> None:
    with op.batch_alter_table("message") as batch_op:
        batch_op.drop_index("ix_message_apart", sqlite_where=_APART, postgresql_where=_APART)
        batch_op.create_foreign_key("fk_message_claimed_by", "worker", ["claimed_by"], ["id"])
        batch_op.create_foreign_key("fk_message_run_id", "run", ["run_id"], ["id"])
        batch_op.create_unique_constraint("uq_message_message_id", ["message_id"])
        batch_op.create_index("ix_message_address_key", ["address_key"])
        batch_op.create_index("ix_message_recipient", ["recipient_id", "run_id"])
