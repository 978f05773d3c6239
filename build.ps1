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
    # The loader takes what .NET and PowerShell have from the session, and all else from this folder.
    Remove-Item artifacts/module/WalRus/bin/* -Include *.deps.json, *.runtimeconfig.json, *.xml
    Copy-Item module/*, LICENSE, CHANGELOG.md artifacts/module/WalRus -Recurse -Force
}

<# The module as a gallery takes it, and unpacked as an installation lays it out: gives that folder. #>
function New-ModulePackage {
    $manifest = Import-PowerShellDataFile module/WalRus.psd1
    $version = $manifest.ModuleVersion
    $folder = "artifacts/package/modules/WalRus/$version"
    Remove-Item artifacts/package/stage, artifacts/package/modules -Recurse -Force -ErrorAction Ignore
    New-Item artifacts/package -ItemType Directory -Force | Out-Null
    Copy-Item artifacts/module/WalRus artifacts/package/stage -Recurse
    Copy-Item src/WalRus.PowerShell/WalRus.nuspec artifacts/package/stage
    $commands = ($manifest.CmdletsToExport | ForEach-Object { "PSCmdlet_$_ PSCommand_$_" }) -join ' '
    Invoke-Native dotnet pack artifacts/package/stage/WalRus.nuspec -o artifacts/package --version $version -v q (
        "-p:NuspecProperties=version=$version;description=$($manifest.Description);commands=$commands") | Out-Null
    Remove-Item artifacts/package/stage -Recurse -Force
    [IO.Compression.ZipFile]::ExtractToDirectory("$PWD/artifacts/package/WalRus.$version.nupkg", "$PWD/$folder", $true)
    Remove-Item -LiteralPath "$folder/_rels", "$folder/package", "$folder/WalRus.nuspec", "$folder/[Content_Types].xml" -Recurse -Force
    (Resolve-Path $folder).Path
}

switch ($Task) {
    'Build' { Build }
    'Test' {
        Build
        $env:WALRUS_MODULE = New-ModulePackage
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
        New-ModulePackage | Out-Null
        Compress-Archive artifacts/bin/* "artifacts/package/walrus-$version-win-x64.zip" -Force
    }
}
