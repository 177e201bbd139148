"""`GET /`: a page that shows how the service does; `GET /v1/status`: what it shows, as JSON.

The page holds nothing of the service and is for everybody. The report is for keys of the scope
admin, as `/metrics` is: it tells of all models, and of what other callers did wrong.
"""

from bigmodel.serving.http import Request, Response, json
from bigmodel.serving.page import html_page
from bigmodel.serving.service import Service

_PAGE = html_page("status.html")


async def page(service: Service, request: Request) -> Response:
    """The page."""
    return _PAGE


async def report(service: Service, request: Request) -> Response:
    """The latest report; `{}` in the first seconds."""
    return json(service.monitor.document)
