FROM tuner-stand-in/bookworm
COPY host.crt /etc/ssl/host.crt
COPY pip.conf /etc/pip.conf
ENV SSL_CERT_FILE=/etc/ssl/host.crt PIP_CERT=/etc/ssl/host.crt
