"""Every table there is, for the migrations."""

from newsletter import limits
from newsletter.articles import models as articles
from newsletter.audience import models as audience
from newsletter.db import Base
from newsletter.feedback import models as feedback
from newsletter.issues import models as issues
from newsletter.outbox import models as outbox
from newsletter.publication import models as publication
from newsletter.staff import models as staff

ROOMS = (limits, articles, audience, feedback, issues, outbox, publication, staff)
TABLES = Base.metadata
