<?php
$conf['title'] = 'Wiki';
$conf['savedir'] = '/srv/wiki';
$conf['useacl'] = 0;
$conf['updatecheck'] = 0;
