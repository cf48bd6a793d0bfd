#!/bin/sh
echo started "$@"
