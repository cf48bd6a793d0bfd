# Stands in for an app's image. MODE: web answers 200, unhealthy 503; exits fails at once, crashes fails after
# a second, ends succeeds at once, waits runs and listens nowhere.
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
while (my $client = $server->accept) {
    my $request = <$client> // '';
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?$/ }
    $request =~ s/\r?\n//;
    print "$request\n";
    my $body = "$says\n";
    printf $client "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
        $status, length $body, $body;
    close $client;
}
