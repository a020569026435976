"""Where the settings of a box lie: a file in every release, and a link in /etc to the one that is in force.

    etc/laennec/ward.yaml -> opt/laennec/current/ward.yaml

So they switch with the software, forward and back, in one rename. An editor that writes through the link changes the
settings in force; a program that puts a file in the link's place is understood by the next command (`adopt_settings`).
Not for what settings mean (`edge.settings.config`).
"""

from __future__ import annotations

import os
from contextlib import suppress

from deploy.box.durable import point, remove, write_whole
from deploy.box.place import Place


def adopt_settings(place: Place) -> list[str]:
    """Bring settings that lie in /etc itself into the current release, and the link into their place.

    They lie there on a box from before settings were part of a release, and where `sed -i` or a copy replaced the link.
    A release that has none gets the same: they are what it would have run with.

    Returns:
        What was done, a line each.
    """
    if not place.running() or is_linked(place):
        return []
    own, told = place.settings(place.running()), list[str]()
    if place.config.exists():
        write_whole(own, place.config.read_bytes(), like=place.config)
        told.append(f"moved the settings from {place.config} into {place.running()}, and left a link to them")
    for release in place.complete():
        if own.exists() and not place.settings(release.name).exists():
            write_whole(place.settings(release.name), own.read_bytes(), like=own)
    link_settings(place)
    return told


def tell_settings(place: Place, name: str) -> list[str]:
    """Before a switch to that release: a line if it changes the settings in force."""
    both = place.config, place.settings(name)
    is_change = all(path.exists() for path in both) and both[0].read_bytes() != both[1].read_bytes()
    return ["its settings are not those that were in force"] if is_change else []


def is_linked(place: Place) -> bool:
    """Whether the link is in its place."""
    return place.config.is_symlink() and place.config.readlink() == place.linked_config


def link_settings(place: Place) -> None:
    """From now on the settings of the current release are those in force."""
    if not is_linked(place):
        place.config.parent.mkdir(parents=True, exist_ok=True)
        point(place.config, str(place.linked_config))


def unlink_settings(place: Place) -> None:
    """Make the settings in force a file of their own again, for the releases are about to go."""
    if is_linked(place) and place.config.exists():
        write_whole(place.config, place.config.read_bytes(), like=place.config)
    elif is_linked(place):
        remove(place.config)


def set_settings_aside(place: Place, has_release: bool) -> None:
    """Before the first release: keep a copy of the settings that are there, for the link takes their place."""
    remove(place.config_before)  # of an earlier deployment
    if not has_release and place.config.exists():
        write_whole(place.config_before, place.config.read_bytes(), like=place.config)


def set_edited_aside(place: Place) -> list[str]:
    """While a release on trial is still current: what took the link's place meanwhile is not for the release before.

    Returns:
        Where it is kept now, a line; none if nothing took it.
    """
    if is_linked(place) or place.config_before.exists():  # a switch of the time when settings were a file
        return []
    told = []
    with suppress(OSError):  # going back matters more
        remove(place.config_edited)
        os.link(place.config, place.config_edited, follow_symlinks=False)  # at every moment one of the two is there
        told.append(f"what was put in place of {place.config} meanwhile is kept as {place.config_edited}")
    link_settings(place)
    return told


def put_settings_back(place: Place, had_config: bool) -> None:
    """What `set_settings_aside` kept; where it kept nothing, the settings are those of a release."""
    if not had_config:
        remove(place.config)
    elif place.config_before.exists():
        write_whole(place.config, place.config_before.read_bytes(), like=place.config_before)
