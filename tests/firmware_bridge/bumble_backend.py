"""bleak over Bumble's LocalLink: a central and a peripheral in one process, with a real GATT between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bumble.controller import Controller
from bumble.core import UUID, BaseBumbleError
from bumble.device import Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink

from firmware_bridge.links.ble import FROM_DEVICE, SERVICE, TO_DEVICE

MTU = 247
WEARABLE, BOX = "F0:F1:F2:F3:F4:F5", "C0:C1:C2:C3:C4:C5"


class Air:
    """A wearable with the UART service, and the box's controller, joined by a link without radio."""

    def __init__(self) -> None:
        link = LocalLink()
        self.commands: list[bytes] = []
        self.box = _device("box", BOX, link)
        self.wearable = _device("wearable", WEARABLE, link)
        properties = Characteristic.Properties
        self.notify = Characteristic(FROM_DEVICE, properties.NOTIFY, Characteristic.READABLE)
        writable = properties.WRITE | properties.WRITE_WITHOUT_RESPONSE
        taken: Any = CharacteristicValue(write=lambda _, value: self.commands.append(bytes(value)))
        command = Characteristic(TO_DEVICE, writable, Characteristic.WRITEABLE, taken)
        self.wearable.add_service(Service(UUID(SERVICE), [self.notify, command]))

    async def power_on(self) -> None:
        """Both can be reached."""
        await self.box.power_on()
        await self.wearable.power_on()
        await self.wearable.start_advertising(auto_restart=True)

    async def send(self, body: bytes) -> None:
        """One notification; nobody hears it before there is a subscriber."""
        await self.wearable.notify_subscribers(self.notify, body)

    async def drop(self) -> None:
        """The wearable ends the connection, as one out of reach or out of power does."""
        for connection in list(self.wearable.connections.values()):
            await connection.disconnect()

    def backend(self) -> type[BaseBleakClient]:
        """A backend for bleak that connects over this air."""
        return type("BumbleClient", (_BumbleClient,), {"air": self, "notify_args": []})


def _device(name: str, address: str, link: LocalLink) -> Device:
    host = Host()
    host.controller = Controller(name, host_source=host, link=link)  # type: ignore[assignment]
    return Device(name=name, address=Address(address), host=host)


class _BumbleClient(BaseBleakClient):
    air: Air
    notify_args: list[Any]

    def __init__(self, address: Any, **kwargs: Any) -> None:
        super().__init__(address, **{key: kwargs[key] for key in ("disconnected_callback", "timeout")})
        self._connection: Any = None

    @property
    def mtu_size(self) -> int:
        return int(self._connection.att_mtu)

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        try:
            self._connection = await self.air.box.connect(self.address, timeout=2)
        except (BaseBumbleError, TimeoutError) as error:
            raise BleakError(str(error)) from error
        self._connection.on("disconnection", self._gone)
        peer = Peer(self._connection)
        await peer.request_mtu(MTU)
        await peer.discover_services()
        await peer.discover_characteristics()
        self.services = BleakGATTServiceCollection()
        for service in peer.services:
            made = BleakGATTService(service, service.handle, str(service.uuid.to_hex_str("-")).lower())
            self.services.add_service(made)
            for each in service.characteristics:
                uuid = str(each.uuid.to_hex_str("-")).lower()
                found = BleakGATTCharacteristic(each, each.handle, uuid, ["notify", "write"], lambda: MTU - 3, made)
                self.services.add_characteristic(found)

    def _gone(self, _reason: int) -> None:
        self._connection = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **kwargs: Any
    ) -> None:
        self.notify_args.append(kwargs["bluez"])
        await characteristic.obj.subscribe(lambda value: callback(bytearray(value)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        await characteristic.obj.write_value(bytes(data), with_response=response)

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_char(self, characteristic: Any, **kwargs: Any) -> bytearray:
        raise NotImplementedError

    async def read_gatt_descriptor(self, descriptor: Any, **kwargs: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: Any, data: Any) -> None:
        raise NotImplementedError

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        raise NotImplementedError
