"""Monitoring's gRPC server: the published messages on the wire, `Monitoring` behind. Its messages are imported at the first call."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from elastic_iac.local.gcp.faults import Fault
from elastic_iac.local.gcp.monitoring import MAX_PAGE, Aggregation, Descriptor, Monitoring
from elastic_iac.local.gcp.series import GAUGE, Key, Point, Series
from elastic_iac.local.gcp.wire import GcpError
from elastic_iac.local.ministack import HOST
from elastic_iac.local.wire import ConnectionDropped

_SERVICE = "/google.monitoring.v3.MetricService/"
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_METHODS = {
    "CreateTimeSeries": ("timeSeries.create", "monitoring.timeSeries.create"),
    "ListTimeSeries": ("timeSeries.list", "monitoring.timeSeries.list"),
    "CreateMetricDescriptor": ("metricDescriptors.create", "monitoring.metricDescriptors.create"),
    "GetMetricDescriptor": ("metricDescriptors.get", "monitoring.metricDescriptors.get"),
    "ListMetricDescriptors": ("metricDescriptors.list", "monitoring.metricDescriptors.list"),
}


class Run(Protocol):
    """Carries out one call with its faults, permissions and record: (method, permission, what it is about, body, token, handle)."""

    def __call__(  # noqa: D102 - see the class
        self,
        action: str,
        permission: str,
        resource: str,
        body: bytes,
        token: str,
        handle: Callable[[tuple[Fault, ...]], bytes],
    ) -> bytes: ...


class RpcServer:
    """A gRPC server on a free port of the loopback interface."""

    def __init__(self, monitoring: Monitoring, run: Run) -> None:
        self._monitoring = monitoring
        self._run = run
        grpc: Any = importlib.import_module("grpc")
        self._codes = grpc.StatusCode
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="local-gcp")
        self._server: Any = grpc.server(
            self._pool, options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        )
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(functools.partial(self._serve, name)) for name in _METHODS
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE.strip("/"), handlers),))
        self.target = f"{HOST}:{self._server.add_insecure_port(f'{HOST}:0')}"
        self._server.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop(grace=None).wait()
        self._pool.shutdown()

    def _serve(self, name: str, body: bytes, context: Any) -> bytes:
        action, permission = _METHODS[name]
        metadata = {key: value for key, value in context.invocation_metadata()}  # noqa: C416 - gRPC's own pair type
        token = str(metadata.get("authorization", "")).partition(" ")[2]
        types: Any = importlib.import_module("google.cloud.monitoring_v3.types")
        handler: Callable[[Monitoring, Any, Any, tuple[Fault, ...]], Any] = _HANDLERS[name]
        try:
            request = getattr(types, f"{name}Request").pb().FromString(body)

            def handle(struck: tuple[Fault, ...]) -> bytes:
                return handler(self._monitoring, types, request, struck).SerializeToString()

            return self._run(action, permission, request.name, body, token, handle)
        except ConnectionDropped:
            context.abort(self._codes.UNAVAILABLE, "Socket closed")
        except GcpError as error:
            limited = error.reason in {"rateLimitExceeded", "quotaExceeded"}
            code = "RESOURCE_EXHAUSTED" if limited else _CODES.get(error.status, "INTERNAL")
            context.abort(getattr(self._codes, code), error.message)
        raise AssertionError("abort raises")


def _create_series(monitoring: Monitoring, types: Any, request: Any, _struck: tuple[Fault, ...]) -> Any:
    project = _project(request.name)
    written: list[tuple[Key, str, str, list[Point]]] = []
    for series in request.time_series:
        kind, value_type = _enum_name("MetricKind", series.metric_kind), _enum_name("ValueType", series.value_type)
        points: list[Point] = []
        for point in series.points:
            held = point.value.WhichOneof("value")
            if held not in {"double_value", "int64_value"}:
                raise GcpError(400, f"points.value: got {held}; this stand-in knows doubleValue and int64Value")
            of_value = "DOUBLE" if held == "double_value" else "INT64"
            if (value_type or of_value) != of_value:
                raise GcpError(400, f"points.value: got {of_value}; valueType is {value_type}")
            value_type = of_value
            end = _seconds(point.interval.end_time)
            start = _seconds(point.interval.start_time) if point.interval.HasField("start_time") else end
            points.append(Point(end, start, float(getattr(point.value, held))))
        written.append((_key(series, project), kind, value_type, points))
    monitoring.write(project, written)
    empty: Any = importlib.import_module("google.protobuf.empty_pb2")
    return empty.Empty()


def _list_series(monitoring: Monitoring, types: Any, request: Any, struck: tuple[Fault, ...]) -> Any:
    if request.HasField("secondary_aggregation"):
        raise GcpError(501, "secondaryAggregation is not in this stand-in")
    if not request.interval.HasField("end_time"):
        raise GcpError(400, "Field interval.endTime had an invalid value: it is required")
    end = _seconds(request.interval.end_time)
    start = _seconds(request.interval.start_time) if request.interval.HasField("start_time") else end
    aggregation = _aggregation(types, request.aggregation) if request.HasField("aggregation") else None
    found = monitoring.read(_project(request.name), request.filter, start, end, aggregation)
    headers = request.view == types.ListTimeSeriesRequest.TimeSeriesView.HEADERS
    response = types.ListTimeSeriesResponse.pb()()
    if any(fault.partial for fault in struck):
        response.execution_errors.add(code=14, message="Some time series could not be read in time.")
        found = [Series(s.key, s.kind, s.value_type, s.points[len(s.points) // 2 :]) for s in found]
    size = min(request.page_size or MAX_PAGE, MAX_PAGE)
    if size < 0 or (request.page_token and not request.page_token.isdigit()):
        raise GcpError(400, "Field pageSize or pageToken had an invalid value.")
    skip = int(request.page_token or 0)
    passed = 0
    for series in found:
        count = 1 if headers else len(series.points)
        first, last = max(skip - passed, 0), min(skip + size - passed, count)
        passed += count
        if first < last:
            shown = [] if headers else list(reversed(series.points))[first:last]  # API: newest first
            _show(types, response.time_series.add(), series, shown)
    if passed > skip + size:
        response.next_page_token = str(skip + size)
    return response


def _show(types: Any, shown: Any, series: Series, points: list[Point]) -> None:
    shown.metric.type = series.key.metric
    shown.metric.labels.update(dict(series.key.metric_labels))
    shown.resource.type = series.key.resource
    shown.resource.labels.update(dict(series.key.resource_labels))
    metric_pb2: Any = importlib.import_module("google.api.metric_pb2")
    shown.metric_kind = getattr(metric_pb2.MetricDescriptor, series.kind)
    shown.value_type = getattr(metric_pb2.MetricDescriptor, series.value_type)
    for point in points:
        made = shown.points.add()
        made.interval.end_time.FromNanoseconds(round(point.end * 1e6) * 1000)
        made.interval.start_time.FromNanoseconds(
            round((point.end if series.kind == GAUGE else point.start) * 1e6) * 1000
        )
        if series.value_type == "INT64":
            made.value.int64_value = round(point.value)
        else:
            made.value.double_value = point.value


def _create_descriptor(monitoring: Monitoring, types: Any, request: Any, _struck: tuple[Fault, ...]) -> Any:
    asked = request.metric_descriptor
    kind, value_type = _enum_name("MetricKind", asked.metric_kind), _enum_name("ValueType", asked.value_type)
    if not kind or not value_type:
        raise GcpError(400, "metricDescriptor: metricKind and valueType are required")
    monitoring.declare(_project(request.name), Descriptor(asked.type, kind, value_type, asked.unit, asked.description))
    return asked


def _get_descriptor(monitoring: Monitoring, _types: Any, request: Any, _struck: tuple[Fault, ...]) -> Any:
    project, _, metric = request.name.removeprefix("projects/").partition("/metricDescriptors/")
    return _descriptor(project, monitoring.describe(project, metric))


def _list_descriptors(monitoring: Monitoring, types: Any, request: Any, _struck: tuple[Fault, ...]) -> Any:
    project = _project(request.name)
    response = types.ListMetricDescriptorsResponse.pb()()
    response.metric_descriptors.extend(
        _descriptor(project, held) for held in monitoring.described(project, request.filter)
    )
    return response


def _descriptor(project: str, held: Descriptor) -> Any:
    metric_pb2: Any = importlib.import_module("google.api.metric_pb2")
    return metric_pb2.MetricDescriptor(
        name=f"projects/{project}/metricDescriptors/{held.type}",
        type=held.type,
        metric_kind=held.kind,
        value_type=held.value_type,
        unit=held.unit,
        description=held.description,
    )


_HANDLERS: dict[str, Callable[[Monitoring, Any, Any, tuple[Fault, ...]], Any]] = {
    "CreateTimeSeries": _create_series,
    "ListTimeSeries": _list_series,
    "CreateMetricDescriptor": _create_descriptor,
    "GetMetricDescriptor": _get_descriptor,
    "ListMetricDescriptors": _list_descriptors,
}


def _project(name: str) -> str:
    if not name.startswith("projects/"):
        raise GcpError(400, f"Field name had an invalid value of {name!r}: expected projects/PROJECT")
    return name.removeprefix("projects/").partition("/")[0]


def _key(series: Any, project: str) -> Key:
    resource_labels = {"project_id": project, **dict(series.resource.labels)}
    return Key(
        series.metric.type,
        tuple(sorted(dict(series.metric.labels).items())),
        series.resource.type or "global",
        tuple(sorted(resource_labels.items())),
    )


def _aggregation(types: Any, asked: Any) -> Aggregation:
    names = types.Aggregation
    period = asked.alignment_period.seconds + asked.alignment_period.nanos / 1e9
    aligner = names.Aligner(asked.per_series_aligner).name
    return Aggregation(period, aligner, names.Reducer(asked.cross_series_reducer).name, tuple(asked.group_by_fields))


def _enum_name(enum: str, number: int) -> str:
    """Empty where nothing is said."""
    metric_pb2: Any = importlib.import_module("google.api.metric_pb2")
    return getattr(metric_pb2.MetricDescriptor, enum).Name(number) if number else ""


def _seconds(stamp: Any) -> float:
    return stamp.seconds + stamp.nanos / 1e9
