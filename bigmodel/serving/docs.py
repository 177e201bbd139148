"""`GET /docs`: a page that shows the service's OpenAPI document and sends its examples.

It holds nothing of the models: what it shows comes from `/openapi.json`, with the key of who looks.
"""

from bigmodel.serving.http import Request, Response
from bigmodel.serving.page import html_page
from bigmodel.serving.service import Service

_PAGE = html_page("docs.html")


async def page(service: Service, request: Request) -> Response:
    """The page."""
    return _PAGE
