BeforeAll {
    . $PSScriptRoot/Common.ps1
}

AfterAll {
    Stop-S3
}

Describe 'Push-WalSegment' {
    BeforeEach {
        $archive = New-FolderArchive
        $wal = Join-Path $TestDrive ([guid]::NewGuid().ToString('N'))
        $segment = New-WalSegment $wal '000000010000000000000001'
    }

    Context 'what it emits' {
        It 'is one typed object a segment, of the declared output type' {
            $result = Push-WalSegment $segment -Setting $archive
            $result.GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgArchivedWal'
            (Get-Command Push-WalSegment).OutputType.Type | Should -Be $result.GetType()
            $result.Name | Should -BeExactly '000000010000000000000001'
            $result.Path | Should -BeExactly $segment
            $result.State | Should -Be 'Uploaded'
            $result.BytesIn | Should -Be 1MB
            $result.BytesOut | Should -BeGreaterThan 500KB
            $result.Ratio | Should -BeGreaterThan 1.5
            $result.Duration | Should -BeOfType ([timespan])
            Get-FileList $archive.WALG_FILE_PREFIX | Should -Be 'wal_005/000000010000000000000001.lz4'
        }

        It 'says AlreadyArchived when the archive holds the same bytes and overwriting is prevented' {
            $setting = $archive + @{ WALG_PREVENT_WAL_OVERWRITE = $true }
            (Push-WalSegment $segment -Setting $setting).State | Should -Be 'Uploaded'
            (Push-WalSegment $segment -Setting $setting).State | Should -Be 'AlreadyArchived'
        }

        It 'goes through Export-Csv and ConvertTo-Json whole and without warnings' {
            $result = Push-WalSegment $segment -Setting $archive
            $row = $result | ConvertTo-Csv | ConvertFrom-Csv
            $row.Name | Should -BeExactly $result.Name
            $row.State | Should -Be 'Uploaded'
            $row.Key | Should -BeExactly 'wal_005/000000010000000000000001.lz4'
            $row.BytesIn | Should -Be '1048576'
            $json = $result | ConvertTo-Json -EnumsAsStrings -WarningVariable warnings -WarningAction SilentlyContinue
            $warnings | Should -BeNullOrEmpty
            ($json | ConvertFrom-Json).State | Should -BeExactly 'Uploaded'
            ($json | ConvertFrom-Json).BytesIn | Should -Be 1MB
            ($json | ConvertFrom-Json).Key | Should -BeExactly $result.Key
        }

        It 'prints as a table of readable sizes' {
            $text = Push-WalSegment $segment -Setting $archive | Out-String -Width 120
            $text | Should -Match 'Name\s+State\s+Size\s+Stored\s+Ratio\s+Duration'
            $text | Should -Match '000000010000000000000001\s+Uploaded\s+1\.0 MB\s+\d+\.\d KB'
        }
    }

    Context 'the pipeline' {
        BeforeEach {
            2..4 | ForEach-Object { New-WalSegment $wal "00000001000000000000000$_" } | Out-Null
        }

        It 'takes files from Get-ChildItem' {
            $results = Get-ChildItem $wal -File | Push-WalSegment -Setting $archive
            $results.Name | Should -Be (1..4 | ForEach-Object { "00000001000000000000000$_" })
            @(Get-FileList $archive.WALG_FILE_PREFIX).Count | Should -Be 4
        }

        It 'takes paths by value, also relative to the current location' {
            Push-Location $wal
            try { (Get-ChildItem -Name -File | Push-WalSegment -Setting $archive).Count | Should -Be 4 } finally { Pop-Location }
        }

        It 'takes objects by property name' {
            $results = [pscustomobject] @{ Path = $segment }, [pscustomobject] @{ FullName = Join-Path $wal '000000010000000000000002' } |
                Push-WalSegment -Setting $archive
            $results.Name | Should -Be '000000010000000000000001', '000000010000000000000002'
        }

        It 'goes on after a file that cannot be pushed' {
            $results = (Join-Path $wal 'nonsense'), $segment | Push-WalSegment -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
            $results.Name | Should -Be '000000010000000000000001'
            $failed.Count | Should -Be 1
        }

        It 'works in parallel runspaces' {
            $results = Get-ChildItem $wal -File | ForEach-Object -ThrottleLimit 4 -Parallel {
                Import-Module $using:ModulePath
                $_ | Push-WalSegment -Setting $using:archive
            }
            $results.Name | Sort-Object | Should -Be (1..4 | ForEach-Object { "00000001000000000000000$_" })
        }
    }

    Context 'caution' {
        It 'changes nothing with -WhatIf' {
            Push-WalSegment $segment -Setting $archive -WhatIf | Should -BeNullOrEmpty
            Get-FileList $archive.WALG_FILE_PREFIX | Should -BeNullOrEmpty
            Get-FileList $wal | Should -Be '000000010000000000000001'
        }

        It 'never writes secrets, not even when verbose' {
            $secret = @{ WALG_LIBSODIUM_KEY = '4bb7565dc495db165ec1e274412b1b5ee2714afbd2f5237e2faac163dadccb44'; WALG_LIBSODIUM_KEY_TRANSFORM = 'hex' }
            $said = Push-WalSegment $segment -Setting ($archive + $secret) -Verbose -Debug *>&1 | Out-String
            $said | Should -Match 'Archived 000000010000000000000001'
            $said | Should -Not -Match '4bb7565d'
        }

        It 'shows bytes, speed and time left, and ends its progress' {
            $progress = [powershell]::Create()
            $archive.WALG_NETWORK_RATE_LIMIT = '500000'

            try {
                [void] $progress.AddScript('param($m, $s, $a) Import-Module $m; Push-WalSegment $s -Setting $a')
                [void] $progress.AddArgument($ModulePath).AddArgument($segment).AddArgument($archive)
                [void] $progress.Invoke()
                $open = @($progress.Streams.Progress | Where-Object Activity -NE 'Preparing modules for first use.' | Group-Object ActivityId |
                    Where-Object { $_.Group[-1].RecordType -ne 'Completed' })
                $open | Should -BeNullOrEmpty
                $shown = @($progress.Streams.Progress | Where-Object StatusDescription -Match '^\d.* of 1\.0 MB, [\d.,]+ [KM]?B/s$')
                $shown | Should -Not -BeNullOrEmpty
                $shown[0].PercentComplete | Should -BeIn (0..100)
                $shown[0].SecondsRemaining | Should -BeGreaterOrEqual 0
            }
            finally { $progress.Dispose() }
        }
    }

    Context 'errors' {
        It 'reports a file that is not there as WalSourceNotFound, without ending the pipeline' {
            $missing = Join-Path $wal '0000000100000000000000FF'
            Push-WalSegment $missing -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
            $failed[0].FullyQualifiedErrorId | Should -BeExactly 'WalSourceNotFound,WalRus.Cmdlets.PushWalSegmentCommand'
            $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
            $failed[0].TargetObject | Should -BeExactly $missing
            $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        }

        It 'reports a file that is no WAL as WalSegmentInvalid' {
            $other = Join-Path $wal 'nonsense'
            Set-Content $other 'x'
            Push-WalSegment $other -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'WalSegmentInvalid,*'
            $failed[0].CategoryInfo.Category | Should -Be 'InvalidData'
            Get-FileList $archive.WALG_FILE_PREFIX | Should -BeNullOrEmpty
        }

        It 'refuses other bytes under an archived name as WalSegmentConflict' {
            $setting = $archive + @{ WALG_PREVENT_WAL_OVERWRITE = 'true' }
            $null = Push-WalSegment $segment -Setting $setting
            $bytes = [IO.File]::ReadAllBytes($segment)
            $bytes[700000] = 1
            [IO.File]::WriteAllBytes($segment, $bytes)
            Push-WalSegment $segment -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'WalSegmentConflict,*'
            $failed[0].CategoryInfo.Category | Should -Be 'ResourceExists'
        }

        It 'ends the pipeline when no store is configured' {
            { $segment, $segment | Push-WalSegment -Setting @{} } | Should -Throw -ErrorId 'SettingMissing,*'
        }

        It 'ends the pipeline for a setting that is wrong, and names it' {
            { Push-WalSegment $segment -Setting ($archive + @{ WALG_COMPRESSION_METHOD = 'arj' }) -ErrorAction SilentlyContinue } |
                Should -Throw -ErrorId '*,WalRus.Cmdlets.PushWalSegmentCommand' -ExpectedMessage '*arj*'
        }

        It 'can be caught with try where -ErrorAction is Stop' {
            { Push-WalSegment (Join-Path $wal 'x') -Setting $archive -ErrorAction Stop } | Should -Throw -ErrorId 'WalSegmentInvalid,*'
        }
    }

    Context 'settings' {
        It 'reads wal-g''s configuration file' {
            $file = Join-Path $TestDrive 'walg.json'
            @{ WALG_FILE_PREFIX = $archive.WALG_FILE_PREFIX; WALG_COMPRESSION_METHOD = 'brotli' } | ConvertTo-Json | Set-Content $file
            (Push-WalSegment $segment -ConfigFile $file).Key | Should -BeExactly 'wal_005/000000010000000000000001.br'
        }

        It 'puts -Setting above the environment' {
            $env:WALG_FILE_PREFIX = '/nowhere'
            try { (Push-WalSegment $segment -Setting $archive).State | Should -Be 'Uploaded' } finally { Remove-Item env:WALG_FILE_PREFIX }
        }
    }

    Context 'Ctrl+C' {
        It 'stops within a second and leaves nothing half-written' {
            $slow = $archive + @{ WALG_NETWORK_RATE_LIMIT = '50000' }
            $stopped = Stop-RunningPipeline { param($s, $a) Push-WalSegment $s -Setting $a } $segment, $slow -Started { Get-FileList $slow.WALG_FILE_PREFIX }
            $stopped.Errors | Should -BeNullOrEmpty
            $stopped.State | Should -Be 'Stopped'
            $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
            $stopped.Output | Should -BeNullOrEmpty
            Get-FileList $archive.WALG_FILE_PREFIX | Should -BeNullOrEmpty
            (Push-WalSegment $segment -Setting $archive).State | Should -Be 'Uploaded'
        }
    }

    Context 'as archive_command' {
        It 'exits with 0 from -Command when the segment is durable' {
            $ran = Invoke-Pwsh '-Command', "Import-Module '$ModulePath'; Push-WalSegment '$segment'" -Environment $archive
            $ran.Errors | Should -BeNullOrEmpty
            $ran.ExitCode | Should -Be 0
            Get-FileList $archive.WALG_FILE_PREFIX | Should -Be 'wal_005/000000010000000000000001.lz4'
        }

        It 'exits with 1 from -Command when it failed, and says why' {
            $ran = Invoke-Pwsh '-Command', "Import-Module '$ModulePath'; Push-WalSegment '$wal/0000000100000000000000FF'" -Environment $archive
            $ran.ExitCode | Should -Be 1
            $ran.Errors | Should -Match '0000000100000000000000FF'
        }

        It 'exits with 1 from -Command when the settings are wrong' {
            (Invoke-Pwsh '-Command', "Import-Module '$ModulePath'; Push-WalSegment '$segment'").ExitCode | Should -Be 1
        }

        It 'exits with 0 and 1 from -File with a script that stops at errors' {
            $script = Join-Path $TestDrive 'archive.ps1'
            "`$ErrorActionPreference = 'Stop'`nImport-Module '$ModulePath'`n`$null = Push-WalSegment `$args[0]" | Set-Content $script
            (Invoke-Pwsh '-File', $script, $segment -Environment $archive).ExitCode | Should -Be 0
            (Invoke-Pwsh '-File', $script, "$wal/0000000100000000000000FF" -Environment $archive).ExitCode | Should -Be 1
        }
    }

    Context 'real PostgreSQL' {
        It 'archives the WAL of a server from Get-ChildItem pg_wal, and it comes back the same' {
            if (-not (Find-PostgresBin)) { Set-ItResult -Skipped -Because 'PostgreSQL is not on this machine' }
            $server = New-Postgres
            try {
                Start-Postgres $server
                Invoke-Sql $server 'CREATE TABLE t AS SELECT generate_series(1, 20000) AS n; ' | Out-Null
                $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
                Invoke-Postgres $server pg_ctl @('-D', $server.Data, '-m', 'fast', '-w', 'stop') | Out-Null
                # Files after the last written one are recycled: their bytes are of an older position.
                $files = @(Get-ChildItem (Join-Path $server.Data 'pg_wal') -File |
                    Where-Object { $_.Name -match '^[0-9A-F]{24}$' -and $_.Name -le $last } | Sort-Object Name | Select-Object -Last 3)
                $results = @($files | Push-WalSegment -Setting $archive)
                $results.Count | Should -Be $files.Count
                $back = Join-Path $TestDrive 'back'
                $null = New-Item -ItemType Directory $back
                $null = $results | Restore-WalSegment -Destination $back -Setting $archive
                foreach ($file in $files) {
                    (Get-FileHash (Join-Path $back $file.Name)).Hash | Should -Be (Get-FileHash $file.FullName).Hash
                }
            }
            finally { Remove-Postgres $server }
        }

        It 'archives to a bucket' {
            $bucket = New-S3Archive
            if (-not $bucket) { Set-ItResult -Skipped -Because $NoS3 }
            (Push-WalSegment $segment -Setting $bucket).State | Should -Be 'Uploaded'
            $back = Join-Path $TestDrive 'from-bucket'
            $null = Restore-WalSegment 000000010000000000000001 $back -Setting $bucket
            (Get-FileHash $back).Hash | Should -Be (Get-FileHash $segment).Hash
        }
    }
}
