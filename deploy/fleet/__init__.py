"""Many boxes: `make deploy FLEET=fleet.yaml`, and likewise configure, model, credentials, rollback, status.

A fleet is a file (`settings`), of which a plan is made (`plan`, `template`); its boxes are worked on some at once, a
canary first (`rollout`), each by the command that one box is worked on with (`deploy.__main__`), and told of in a
table (`table`). Not for how a box is deployed to, and not a service: nothing stays when the command ends.

`__main__` alone is of the standard library: it runs the rest with the Python that reads settings
(`wheelhouse.make_tools`). Invariant: what is wrong with the file, or with any box's settings, is told before the first
box is touched.
"""
