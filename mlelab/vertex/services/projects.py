"""Projects and locations: the two things that exist without being created."""

from __future__ import annotations

from typing import Any

from google.cloud import resourcemanager_v3
from google.cloud.location import locations_pb2
from google.protobuf.message import Message

from ..resources.names import project_number
from ..resources.registry import Call, implements

LOCATIONS = ("us-central1", "us-east1", "us-west1", "europe-west1", "europe-west4", "asia-east1")


@implements("Projects.GetProject")
def get_project(call: Call, request: Any) -> Message:
    """Any project exists; asked by the number of our own, the answer bears its id."""
    wanted = request.name.removeprefix("projects/")
    number = project_number(wanted)
    own = project_number(call.cloud.project) == number
    return resourcemanager_v3.Project.pb()(
        name=f"projects/{number}", project_id=call.cloud.project if own else wanted, state=1, display_name=wanted
    )


@implements("Locations.ListLocations")
def list_locations(call: Call, request: Any) -> Message:
    """The regions that the stand-in pretends to have."""
    return locations_pb2.ListLocationsResponse(
        locations=[
            locations_pb2.Location(name=f"{request.name}/locations/{place}", location_id=place) for place in LOCATIONS
        ]
    )


@implements("Locations.GetLocation")
def get_location(call: Call, request: Any) -> Message:
    """Any region exists."""
    return locations_pb2.Location(name=request.name, location_id=request.name.rsplit("/", 1)[1])
