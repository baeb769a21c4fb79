"""`bookbot-web`: serve the application with uvicorn, or refuse in one line."""

import contextlib
import sys

import click
from sqlalchemy.exc import DBAPIError, OperationalError

from bookbot_web.access_log import configure_logging
from bookbot_web.app import create_app
from bookbot_web.auth import check_bind_address
from bookbot_web.server import make_server
from shared.database import make_engine
from shared.errors import ConfigurationError, SchemaMismatch
from shared.job_types import catalogue
from shared.settings import Settings, load_settings
from shared.version import __version__
from shared.views import check_ready

CONFIGURATION = 78  # EX_CONFIG of sysexits.h: a supervisor need not try again


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True)
@click.version_option(__version__, prog_name="bookbot-web")
def main(host: str, port: int) -> None:
    """Serve the API of BookBot's background jobs.

    On an address that other machines can reach, BOOKBOT_WEB_TOKEN must be set.
    """
    try:
        settings = load_settings()
        check_bind_address(host, settings)
        catalogue()
        configure_logging(settings)
        app = create_app(settings)
        look_at_schema(settings)
    except (ConfigurationError, SchemaMismatch) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(CONFIGURATION)
    except DBAPIError as error:
        click.echo(f"Error: the database answers: {str(error.orig).strip().splitlines()[0]}", err=True)
        sys.exit(1)
    server = make_server(app, host=host, port=port, log_config=None, access_log=False)
    click.echo(f"The pages are on {settings.web_origin or _address(host, port)}{settings.web_prefix}/", err=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    sys.exit(0 if server.started else 1)


def _address(host: str, port: int) -> str:
    """Where a browser on this machine finds the server."""
    name = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - a name for people
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def look_at_schema(settings: Settings) -> None:
    """Raises SchemaMismatch. A database that does not answer yet is no reason not to start: requests get 503."""
    engine = make_engine(settings, application="bookbot-web")
    try:
        check_ready(engine)
    except OperationalError:
        click.echo("The database does not answer yet; starting anyway.", err=True)
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
