#!/usr/bin/env pwsh
#Requires -Version 7.4
<#
.SYNOPSIS
Builds, tests, demonstrates and packages WalRus.
.DESCRIPTION
The same tasks as build.sh, for a machine with PowerShell. Build leaves artifacts/bin/walrus (the executable) and
artifacts/module/WalRus (the module as it ships). On Linux, Test and Demo hand over to build.sh, which also installs
what is missing.
.PARAMETER Task
Build, Test, Demo or Package.
.EXAMPLE
./build.ps1 Build
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('Build', 'Test', 'Demo', 'Package')]
    [string] $Task = 'Build',

    [ValidateSet('Debug', 'Release')]
    [string] $Configuration = 'Release',

    [Parameter(ValueFromRemainingArguments)]
    [string[]] $Arguments
)

$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 3.0
Set-Location $PSScriptRoot

if (-not $IsWindows) {
    $env:CONFIGURATION = $Configuration
    & ./build.sh $Task.ToLowerInvariant() @Arguments
    exit $LASTEXITCODE
}

function Invoke-Native {
    param([Parameter(Mandatory)] [string] $Program, [Parameter(ValueFromRemainingArguments)] [string[]] $Rest)
    & $Program @Rest
    if ($LASTEXITCODE -ne 0) {
        throw "$Program ended with exit code $LASTEXITCODE."
    }
}

function Build {
    foreach ($project in 'src/WalRus.Cli', 'src/WalRus.Client') {
        Invoke-Native dotnet publish $project -c $Configuration -r win-x64 --self-contained -p:WalRusAot=false -o artifacts/bin -v q
    }
    Remove-Item artifacts/module/WalRus -Recurse -Force -ErrorAction Ignore
    foreach ($project in 'src/WalRus.PowerShell', 'src/WalRus.PowerShell.Loader') {
        Invoke-Native dotnet publish $project -c $Configuration -o artifacts/module/WalRus/bin -v q
    }
    Copy-Item module/* artifacts/module/WalRus -Recurse -Force
}

switch ($Task) {
    'Build' { Build }
    'Test' {
        Build
        Invoke-Native dotnet build tests/Unit -c $Configuration -v q
        Invoke-Native dotnet "tests/Unit/bin/$Configuration/net10.0/WalRus.Tests.dll" @Arguments
    }
    'Demo' {
        Build
        Invoke-Native artifacts/bin/walrus.exe demo @Arguments
    }
    'Package' {
        Build
        $version = ([xml] (Get-Content Directory.Build.props -Raw)).Project.PropertyGroup.Version
        New-Item artifacts/package -ItemType Directory -Force | Out-Null
        Compress-Archive artifacts/module/WalRus "artifacts/package/WalRus-$version-module.zip" -Force
        Compress-Archive artifacts/bin/* "artifacts/package/walrus-$version-win-x64.zip" -Force
    }
}
