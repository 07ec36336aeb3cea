"""The classes of events, each in one place: what an event must have, and the columns of its table.

A line is of the first class of which it has all fields that aren't optional. What is of no class is kept in
`unknown_event`, and so is what is of a class by its fields, but has a value that does not fit its column.
A class also needs its tables in the warehouse: a file in `migrations/versions`, or the tests fail.
"""

from etl.fields import Amount, EventClass, Field, Integer, OneOf, Text, Timestamp

# The table of lines of no class.
UNKNOWN_EVENT = "unknown_event"

SOCIAL_NETWORKS = ("Twitter", "Facebook", "Instagram", "LinkedIn")
PAYMENT_PROCESSORS = ("Chase", "PayPal")

ID = Field("id", Text(), key="event_id")
TIMESTAMP = Field("timestamp", Timestamp())
EVENT = Field("event", Text())
ORGANIZATION_ID = Field("organization_id", Integer())

EVENT_CLASSES = (
    EventClass(
        "user_event",
        (
            ID,
            TIMESTAMP,
            Field("user_id", Integer()),
            EVENT,
            Field("social_network_type", OneOf(SOCIAL_NETWORKS), within="extra_data", optional=True),
        ),
        indexes={"activity": ("timestamp", "event", "social_network_type", "user_id")},
    ),
    EventClass(
        "organization_payment",
        (
            ID,
            TIMESTAMP,
            ORGANIZATION_ID,
            EVENT,
            Field("payment_amount", Amount(), within="extra_data"),
            Field("payment_processor", OneOf(PAYMENT_PROCESSORS), within="extra_data"),
        ),
        indexes={
            "by_organization": ("organization_id", "timestamp"),
            "paid": ("timestamp", "organization_id", "payment_amount"),
        },
    ),
    EventClass(
        "organization_event",
        (ID, TIMESTAMP, ORGANIZATION_ID, EVENT),
        indexes={
            "by_organization": ("organization_id", "timestamp"),
            "activity": ("timestamp", "event", "organization_id"),
        },
    ),
)
# In the order in which they are tried.
EVENT_TABLES = (*(class_.name for class_ in EVENT_CLASSES), UNKNOWN_EVENT)
