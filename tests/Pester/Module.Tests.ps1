BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'The WalRus module' {
    It 'exports its cmdlets and nothing else' {
        $module = Get-Module WalRus
        $module.ExportedCmdlets.Keys | Should -Contain 'Push-WalSegment'
        $module.ExportedFunctions.Count + $module.ExportedVariables.Count + $module.ExportedAliases.Count | Should -Be 0
        $declared = (Import-PowerShellDataFile $ModulePath).CmdletsToExport
        $module.ExportedCmdlets.Keys | Where-Object { $_ -notin $declared } | Should -BeNullOrEmpty
    }

    It 'uses approved verbs and singular nouns, and every change can be tried with -WhatIf' {
        foreach ($command in Get-Command -Module WalRus) {
            (Get-Verb).Verb | Should -Contain $command.Verb
            $command.OutputType | Should -Not -BeNullOrEmpty -Because "$command must say what it emits"
            if ($command.Verb -notin 'Get', 'Test', 'Find', 'Measure' -and $command.Noun -notin 'WalRusConfiguration', 'PgRetentionPolicy') { $command.Parameters.Keys | Should -Contain 'WhatIf' }
        }
    }

    It 'has a view for what each cmdlet emits, and lists every file of views and types' {
        foreach ($command in Get-Command -Module WalRus) {
            foreach ($type in $command.OutputType.Name | Where-Object { $_ -like 'WalRus.*' }) {
                Get-FormatData -TypeName $type -PowerShellVersion $PSVersionTable.PSVersion | Should -Not -BeNullOrEmpty -Because $type
            }
        }
        $manifest = Import-PowerShellDataFile $ModulePath
        foreach ($kind in 'Format', 'Types') {
            Get-ChildItem (Join-Path $ModuleFolder $kind) -Filter *.ps1xml | ForEach-Object { "$kind/$($_.Name)" } |
                Should -Be ($manifest["$($kind)sToProcess"] ?? $manifest["$($kind)ToProcess"])
        }
    }

    It 'sends the times of what it emits to jobs as times' {
        foreach ($command in Get-Command -Module WalRus) {
            foreach ($type in $command.OutputType.Type | Where-Object { $_ -and $_.FullName -like 'WalRus.*' }) {
                if ($type.GetProperties().PropertyType | Where-Object { $_ -in [DateTimeOffset], [Nullable[DateTimeOffset]] }) {
                    (Get-TypeData $type.FullName).SerializationDepth | Should -BeGreaterOrEqual 2 -Because "$type has times (see Types/Backup.Types.ps1xml)"
                }
            }
        }
    }

    It 'takes -Configuration, -ConfigFile and -Setting wherever an archive is used' {
        foreach ($command in Get-Command -Module WalRus | Where-Object Noun -NotIn 'WalRusConfiguration', 'PgRetentionPolicy') {
            $command.Parameters.Keys | Should -Contain 'Configuration' -Because $command.Name
        }
    }

    It 'has a valid manifest' {
        (Test-ModuleManifest $ModulePath).Version | Should -BeGreaterOrEqual ([version] '0.1.0')
    }

    It 'is found by name, and its cmdlets are imported when they are first called' {
        $path = "$(Split-Path $ModuleFolder)$([IO.Path]::PathSeparator)$env:PSModulePath"
        $ran = Invoke-Pwsh '-Command', '(Get-Command Push-WalSegment).Source' -Environment @{ PSModulePath = $path }
        $ran.Output.Trim() | Should -Be 'WalRus'
    }

    It 'is imported, removed and imported again in one session' {
        $ran = Invoke-Pwsh '-Command', @"
`$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
1..3 | ForEach-Object {
    Import-Module '$ModulePath'
    (Get-Command -Module WalRus).Count -ge 3
    Get-BackupList -Setting @{ WALG_FILE_PREFIX = '$TestDrive' }
    Remove-Module WalRus
    `$null -eq (Get-Command Get-BackupList -ErrorAction Ignore)
}
"@ -Environment @{ PSModulePath = '' }
        $ran.Errors | Should -BeNullOrEmpty
        $ran.Output.Trim() -split '\s+' | Should -Be (@('True') * 6)
    }

    It 'is imported by several runspaces at once' {
        1..8 | ForEach-Object -ThrottleLimit 8 -Parallel {
            Import-Module $using:ModulePath
            (Get-Command -Module WalRus).Count
        } | Select-Object -Unique | Should -HaveCount 1
    }

    Context 'beside other modules' {
        It 'puts nothing but its loader into the session''s load context' {
            $null = Get-BackupList -Setting (New-FolderArchive)
            $ours = Get-ChildItem (Join-Path $ModuleFolder 'bin') -Filter *.dll | ForEach-Object BaseName
            $shared = [Runtime.Loader.AssemblyLoadContext]::Default.Assemblies | ForEach-Object { $_.GetName().Name } | Where-Object { $_ -in $ours }
            $shared | Should -Be 'WalRus.PowerShell.Loader'
        }

        It 'works with its own AWSSDK.Core and Npgsql when others are loaded first, and leaves those alone' {
            $core = Get-PackageAssembly AWSSDK.Core 3.7.402 net8.0
            $npgsql = Get-PackageAssembly Npgsql 8.0.5 net8.0
            if (-not $core -or -not $npgsql) { Set-ItResult -Skipped -Because 'NuGet has not given the other versions of AWSSDK.Core and Npgsql' }
            $ran = Invoke-Pwsh '-Command', @"
`$ErrorActionPreference = 'Stop'
Add-Type -LiteralPath '$core', '$npgsql'
Import-Module '$ModulePath'
`$store = @{ WALG_S3_PREFIX = 's3://walrus-nowhere/x'; AWS_ENDPOINT = 'http://127.0.0.1:1'; AWS_REGION = 'us-east-1'; AWS_ACCESS_KEY_ID = 'x'; AWS_SECRET_ACCESS_KEY = 'x'; S3_MAX_RETRIES = 1 }
try { `$null = Get-BackupList -Setting `$store -WarningAction Ignore } catch { `$_.FullyQualifiedErrorId }
(Test-WalRusConfiguration -Area Postgres -Setting @{ PGHOST = '127.0.0.1'; PGPORT = '1' }).Detail
[Amazon.RegionEndpoint]::EUCentral1.SystemName
[Npgsql.NpgsqlConnectionStringBuilder]::new('Host=theirs').Host
foreach (`$name in 'AWSSDK.Core', 'Npgsql') {
    `$all = [AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { `$_.GetName().Name -eq `$name }
    `$all | ForEach-Object { [Runtime.Loader.AssemblyLoadContext]::GetLoadContext(`$_).Name + ' ' + `$name + ' ' + `$_.GetName().Version.Major } | Sort-Object
}
"@
            $ran.Errors | Should -BeNullOrEmpty
            $lines = $ran.Output.Trim() -split "`r?`n"
            # The store and the server cannot be reached; a missing method or type would be another error.
            $lines[0] | Should -BeLike 'StoreUnreachable,*'
            $lines[1] | Should -BeLike '*127.0.0.1:1 cannot be reached*'
            $lines[2..3] | Should -Be 'eu-central-1', 'theirs'
            $lines[4..7] | Should -Be 'Default AWSSDK.Core 3', 'WalRus AWSSDK.Core 4', 'Default Npgsql 8', 'WalRus Npgsql 9'
        }
    }

    Context 'native libraries' {
        It 'are taken from the module''s folder before the system''s' -Skip:(-not $IsLinux) {
            $system = (& ldconfig -p | Select-String 'liblz4\.so\.1 .* => (.*)$').Matches[0].Groups[1].Value
            $copy = Join-Path $TestDrive 'WalRus'
            Copy-Item $ModuleFolder $copy -Recurse
            Copy-Item (Get-Item $system).ResolvedTarget (Join-Path $copy 'bin' 'liblz4.so.1')
            $segment = New-WalSegment (Join-Path $TestDrive 'wal-native')
            $ran = Invoke-Pwsh '-Command', "Import-Module '$copy/WalRus.psd1'; (Push-WalSegment '$segment').State; Get-Content /proc/self/maps | Select-String 'liblz4' | ForEach-Object { (`$_ -split ' +', 6)[5] } | Select-Object -Unique" -Environment (New-FolderArchive)
            $ran.Errors | Should -BeNullOrEmpty
            $ran.Output.Trim() -split "`r?`n" | Should -Be 'Uploaded', (Join-Path $copy 'bin' 'liblz4.so.1')
        }
    }

    Context 'objects in other processes' {
        BeforeAll {
            $archive = New-FolderArchive
            $names = 'base_000000010000000000000002', 'base_000000010000000000000004'
            Add-GoldenBackup $archive $names
            $cutoff = [DateTimeOffset]::Now.AddDays(-2.98)
        }

        It 'come back from <Way> flat and typed: they sort, compare, print and bind' -ForEach @(
            @{ Way = 'Start-Job'; Get = { Start-Job { Import-Module $using:ModulePath; Get-BackupList -Setting $using:archive } | Receive-Job -Wait -AutoRemoveJob } }
            @{ Way = 'Start-ThreadJob'; Get = { Start-ThreadJob { Import-Module $using:ModulePath; Get-BackupList -Setting $using:archive } | Receive-Job -Wait -AutoRemoveJob } }
            @{ Way = 'Export-Clixml'; Get = { Get-BackupList -Setting $archive | Export-Clixml $TestDrive/b.xml; Import-Clixml $TestDrive/b.xml } }
        ) {
            $received = @(& $Get)
            $received.Name | Should -Be $names
            $received[0].UncompressedSize | Should -BeOfType long
            $received[0].Modified | Should -BeOfType DateTimeOffset
            $received[0].Age | Should -BeOfType timespan
            ($received | Sort-Object Modified -Descending).Name | Should -Be ($names | Sort-Object -Descending)
            @($received | Where-Object Modified -GT $cutoff).Name | Should -Be $names[1]
            $received | Out-String -Width 200 | Should -Match "$($names[0])\s+Full"
            $live = Get-BackupList $names[0] -Setting $archive
            $received[0].Modified | Should -Be $live.Modified
            ($received | Get-BackupList -Setting $archive).Name | Should -Be $names
        }
    }
}
