# Stands in for an app's image. MODE: web answers 200, unhealthy 503; echo is web, and sends websocket messages
# back; exits fails at once, crashes fails after a second, ends succeeds at once, waits runs and listens nowhere.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
$SIG{TERM} = sub { exit 0 };
my ($mode, $says) = @ENV{qw(MODE SAYS)};

print "$says: starting as $mode\n";
if ($mode eq 'ends') { exit 0 }
if ($mode eq 'exits') { print STDERR "$says: the configuration is missing\n"; exit 3 }
if ($mode eq 'crashes') { sleep 1; print STDERR "$says: something broke\n"; exit 4 }
if ($mode eq 'waits') { sleep 3600 while 1 }

my $status = $mode eq 'unhealthy' ? '503 Service Unavailable' : '200 OK';
my $server = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 16, ReuseAddr => 1) or die "listen: $!";
$SIG{CHLD} = 'IGNORE';
while (my $client = $server->accept) {
    if ($mode eq 'echo' and fork) { close $client; next }
    my $request = <$client> // '';
    my $key = '';
    while (defined(my $line = <$client>)) {
        $key = $1 if $line =~ /^Sec-WebSocket-Key:\s*(\S+)/i;
        last if $line =~ /^\r?$/;
    }
    $request =~ s/\r?\n//;
    print "$request\n";
    if ($mode eq 'echo' and $key) { echo($client, $key); exit 0 }
    my $body = "$says\n";
    printf $client "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
        $status, length $body, $body;
    close $client;
    exit 0 if $mode eq 'echo';
}

# RFC 6455: the handshake, then every text message of fewer than 126 bytes is sent back.
sub echo {
    my ($client, $key) = @_;
    my $accept = base64(sha1($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'));
    print $client "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        "Sec-WebSocket-Accept: $accept\r\n\r\n";
    $client->flush;
    while (defined(my $head = take($client, 2))) {
        my ($first, $second) = unpack 'CC', $head;
        my ($mask, $text) = (take($client, 4), take($client, $second & 127));
        last unless defined $text and ($first & 15) == 1;
        my $plain = $text ^ substr($mask x (length($text) / 4 + 1), 0, length $text);
        print $client pack('CC', 129, length $plain), $plain;
        $client->flush;
    }
}

sub take {
    my ($client, $length) = @_;
    my $got = '';
    while (length $got < $length) {
        return undef unless read $client, my $piece, $length - length $got;
        $got .= $piece;
    }
    return $got;
}

sub base64 {
    my $text = pack 'u', $_[0];
    $text =~ s/^.//mg;
    $text =~ s/\n//g;
    $text =~ tr{` -_}{AA-Za-z0-9+/};
    my $rest = length($_[0]) % 3;
    substr($text, -(3 - $rest)) = '=' x (3 - $rest) if $rest;
    return $text;
}

# FIPS 180-4, section 6.1; Debian's perl-base has no module for it.
sub sha1 {
    my ($message) = @_;
    my $bits = 8 * length $message;
    $message .= "\x80" . "\0" x ((55 - length $message) % 64) . pack('N2', 0, $bits);
    my @hash = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0);
    my $turn = sub { my ($n, $x) = @_; (($x << $n) | ($x >> (32 - $n))) & 0xFFFFFFFF };
    for my $block (unpack '(a64)*', $message) {
        my @words = unpack 'N16', $block;
        push @words, $turn->(1, $words[-3] ^ $words[-8] ^ $words[-14] ^ $words[-16]) for 16 .. 79;
        my ($a, $b, $c, $d, $e) = @hash;
        for my $round (0 .. 79) {
            my ($f, $k) =
                  $round < 20 ? (($b & $c) | (~$b & $d), 0x5A827999)
                : $round < 40 ? ($b ^ $c ^ $d, 0x6ED9EBA1)
                : $round < 60 ? (($b & $c) | ($b & $d) | ($c & $d), 0x8F1BBCDC)
                :               ($b ^ $c ^ $d, 0xCA62C1D6);
            my $next = ($turn->(5, $a) + ($f & 0xFFFFFFFF) + $e + $k + $words[$round]) & 0xFFFFFFFF;
            ($a, $b, $c, $d, $e) = ($next, $a, $turn->(30, $b), $c, $d);
        }
        @hash = map { ($hash[$_] + ($a, $b, $c, $d, $e)[$_]) & 0xFFFFFFFF } 0 .. 4;
    }
    return pack 'N5', @hash;
}
