"""HTTP route of the page's scripts: plain ES modules, which import each other by their names."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI, Response

SCRIPT_TYPE = "text/javascript; charset=utf-8"  # a browser refuses modules of another type


def read_scripts() -> dict[str, bytes]:
    """Return the content of each module by its file name."""
    folder = files(__package__).joinpath("static", "modules")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".js")}


def render_head() -> str:
    """Return the elements that load the modules, all at once."""
    preloads = "".join(f'<link rel="modulepreload" href="page/{name}">' for name in read_scripts())
    return f'{preloads}<script type="module" src="page/page.js"></script>'


def add_script_route(app: FastAPI) -> None:
    """Add the route /page/NAME.js."""
    scripts, headers = read_scripts(), {"Cache-Control": "no-cache"}

    @app.get("/page/{name}")
    def send_script(name: str) -> Response:
        if name not in scripts:
            return Response(status_code=404)
        return Response(scripts[name], media_type=SCRIPT_TYPE, headers=headers)
