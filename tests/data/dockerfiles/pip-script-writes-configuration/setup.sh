set -e
printf '[global]\nindex-url = @PIP@\ntrusted-host = @HOST@\n' > /etc/pip.conf
