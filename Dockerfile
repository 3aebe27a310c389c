# One image for every process; what it does is its command. See compose.yaml.
FROM python:3.11-slim-bookworm AS packages
COPY requirements.txt /
# Every pinned package comes as a wheel: no compiler is needed, and one that would need it stops the build here.
RUN python -m venv /packages && /packages/bin/pip install --no-cache-dir --only-binary :all: -r /requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --user-group --no-create-home --shell /usr/sbin/nologin newsletter
COPY --from=packages /packages /packages
WORKDIR /newsletter
COPY app.py ./
COPY migrations migrations
COPY static static
COPY templates templates
COPY newsletter newsletter
# Compiled here, as the user below can write nowhere in the image.
RUN /packages/bin/python -m compileall -q newsletter migrations
ENV PATH=/packages/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=newsletter.factory \
    NEWSLETTER_INSTANCE=/tmp/instance
USER newsletter
EXPOSE 8000
# Delivery finishes the message in flight before it ends; compose.yaml allows it 40 s.
STOPSIGNAL SIGTERM
CMD ["gunicorn", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "1", "--threads", "8", "--graceful-timeout", "10", "--log-level", "warning", "--no-control-socket", "newsletter.factory:create_app()"]
