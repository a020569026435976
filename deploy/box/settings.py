"""Where the settings of a box lie: a file in every release, and a link in /etc to that of the active one.

    etc/laennec/ward.yaml -> opt/laennec/current/ward.yaml

So they switch with the software, forward and back, in one rename. An editor that writes through the link changes the
active settings; a program that puts a file in the link's place is understood by the next command (`adopt_settings`).
Not for what settings mean (`edge.settings.node`).
"""

from __future__ import annotations

import os
from contextlib import suppress

from deploy.box.durable import point, remove, write_whole
from deploy.box.layout import BoxLayout


def adopt_settings(layout: BoxLayout) -> list[str]:
    """Move settings that lie in /etc itself into the current release, and leave the link in their place.

    They lie there on a box from before settings were part of a release, and where `sed -i` or a copy replaced the link.
    A release that has none gets the same: they are what it would have run with.

    Returns:
        What was done, a line each.
    """
    if not layout.running() or is_linked(layout):
        return []
    own, remarks = layout.settings(layout.running()), list[str]()
    if layout.config.exists():
        write_whole(own, layout.config.read_bytes(), like=layout.config)
        remarks.append(f"moved the settings from {layout.config} into {layout.running()}, and left a link to them")
    for release in layout.complete():
        if own.exists() and not layout.settings(release.name).exists():
            write_whole(layout.settings(release.name), own.read_bytes(), like=own)
    link_settings(layout)
    return remarks


def settings_change(layout: BoxLayout, name: str) -> list[str]:
    """Before a switch to that release: a line if it changes the active settings."""
    both = layout.config, layout.settings(name)
    is_change = all(path.exists() for path in both) and both[0].read_bytes() != both[1].read_bytes()
    return ["its settings are not those that were active"] if is_change else []


def is_linked(layout: BoxLayout) -> bool:
    """Whether the link is in its place."""
    return layout.config.is_symlink() and layout.config.readlink() == layout.linked_config


def link_settings(layout: BoxLayout) -> None:
    """From now on the settings of the current release are the active ones."""
    if not is_linked(layout):
        layout.config.parent.mkdir(parents=True, exist_ok=True)
        point(layout.config, str(layout.linked_config))


def unlink_settings(layout: BoxLayout) -> None:
    """Make the active settings a file of their own again, for the releases are about to go."""
    if is_linked(layout) and layout.config.exists():
        write_whole(layout.config, layout.config.read_bytes(), like=layout.config)
    elif is_linked(layout):
        remove(layout.config)


def back_up_settings(layout: BoxLayout, has_release: bool) -> None:
    """Before the first release: keep a copy of the settings that are there, for the link takes their place."""
    remove(layout.config_before)  # of an earlier deployment
    if not has_release and layout.config.exists():
        write_whole(layout.config_before, layout.config.read_bytes(), like=layout.config)


def keep_edited(layout: BoxLayout) -> list[str]:
    """While a release on trial is still current: what took the link's place meanwhile is not for the release before.

    Returns:
        Where it is kept now, a line; none if nothing took it.
    """
    if is_linked(layout) or layout.config_before.exists():  # a switch of the time when settings were a file
        return []
    remarks = []
    with suppress(OSError):  # going back matters more
        remove(layout.config_edited)
        os.link(layout.config, layout.config_edited, follow_symlinks=False)  # at every moment one of the two is there
        remarks.append(f"what was put in place of {layout.config} meanwhile is kept as {layout.config_edited}")
    link_settings(layout)
    return remarks


def restore_settings(layout: BoxLayout, had_config: bool) -> None:
    """What `set_settings_aside` kept; where it kept nothing, the settings are those of a release."""
    if not had_config:
        remove(layout.config)
    elif layout.config_before.exists():
        write_whole(layout.config, layout.config_before.read_bytes(), like=layout.config_before)
